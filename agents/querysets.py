"""Reads of providers and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.db import models
from django.db.models import Max, OuterRef, Q, Subquery

from llm.catalogue import KEYLESS

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

    def usable(self) -> ProviderQuerySet:
        """Enabled ones that have a key or need none; with the age of it."""
        keyless = Q(kind__in=sorted(KEYLESS))
        return self.enabled().with_key_age().filter(keyless | Q(has_key=True))

    def with_ciphertext(self) -> ProviderQuerySet:
        """Adds `ciphertext`, of the newest key that is not revoked, or None."""
        credentials = apps.get_model("agents", "Credential").objects
        newest = credentials.active().filter(provider=OuterRef("pk"))
        return self.annotate(ciphertext=Subquery(newest.values("ciphertext")[:1]))

    def with_key_age(self) -> ProviderQuerySet:
        """Adds `has_key`, and `key_updated_at`, None where there is no key."""
        newest = Max("credentials__created_at", filter=Q(credentials__revoked_at=None))
        return self.annotate(key_updated_at=newest).annotate(
            has_key=Q(key_updated_at__isnull=False)
        )


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

    def using_provider(self, provider: Provider) -> AgentQuerySet:
        """Agents whose newest revision answers with a model of this provider."""
        return self.filter(revision__model__startswith=f"{provider.name}/")

    def in_order(self) -> AgentQuerySet:
        """The tenant's default first, then by name."""
        return self.order_by("-is_default", "name", "pk")
