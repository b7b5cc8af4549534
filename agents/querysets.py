"""Reads of providers and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import OuterRef, Subquery

if TYPE_CHECKING:
    from accounts.models import User
    from agents.models import Agent, Credential, Provider  # noqa: F401  # in strings


class ProviderQuerySet(models.QuerySet["Provider"]):
    def enabled(self) -> ProviderQuerySet:
        return self.filter(enabled=True)

    def offers(self, model_id: str) -> bool:
        """Whether `<provider name>/<model>` may be used here."""
        name, _, model = model_id.partition("/")
        return self.enabled().filter(name=name, model_names__contains=[model]).exists()

    def with_key_age(self) -> ProviderQuerySet:
        """Adds `key_updated_at`, None where the provider has no key."""
        from agents.models import Credential

        newest = Credential.objects.active().filter(provider=OuterRef("pk"))
        return self.annotate(key_updated_at=Subquery(newest.values("created_at")[:1]))


class CredentialQuerySet(models.QuerySet["Credential"]):
    def active(self) -> CredentialQuerySet:
        """Not revoked, newest version first."""
        return self.filter(revoked_at=None).order_by("-version")


class AgentQuerySet(models.QuerySet["Agent"]):
    def visible_to(self, user: User) -> AgentQuerySet:
        """Members see published agents, admins all."""
        return self if user.is_admin else self.published()

    def published(self) -> AgentQuerySet:
        return self.filter(published=True)

    def by_reference(self, reference: str) -> AgentQuerySet:
        """By id (digits) or by slug, which never is all digits."""
        if reference.isascii() and reference.isdecimal():
            # PostgreSQL's bigint ends at 19 digits; more names nobody.
            return (
                self.filter(pk=int(reference)) if len(reference) < 19 else self.none()
            )
        return self.filter(slug=reference)

    def in_order(self) -> AgentQuerySet:
        """The tenant's default first, then by name."""
        return self.order_by("-is_default", "name", "pk")
