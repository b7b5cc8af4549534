"""Reads of providers and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.db import models
from django.db.models import Exists, F, Func, Max, OuterRef, Q, Subquery, Value

from llm.catalogue import KEYLESS

if TYPE_CHECKING:
    from accounts.models import User
    from agents.models import Agent, Credential, Provider  # noqa: F401  # in strings


class _PathExists(Func):
    """Whether a JSON path finds something; PostgreSQL's own type for the path."""

    function = "jsonb_path_exists"
    template = "%(function)s(%(expressions)s::jsonpath)"
    output_field = models.BooleanField()


class ProviderQuerySet(models.QuerySet["Provider"]):
    def enabled(self) -> ProviderQuerySet:
        return self.filter(enabled=True)

    def offers(self, model_id: str) -> bool:
        """Whether `<provider name>/<model>` may be used here."""
        name, _, model = model_id.partition("/")
        offering = self.enabled().filter(name=name, model_names__contains=[model])
        return offering.exclude(disabled_models__contains=[model]).exists()

    def usable(self) -> ProviderQuerySet:
        """Enabled ones that have a key or need none; with the age of it."""
        keyless = Q(kind__in=sorted(KEYLESS))
        return self.enabled().with_key_age().filter(keyless | Q(has_key=True))

    def with_ciphertext(self) -> ProviderQuerySet:
        """Adds `ciphertext` and `credential_id`, of the newest key that is not
        revoked, or None."""
        credentials = apps.get_model("agents", "Credential").objects
        newest = credentials.active().filter(provider=OuterRef("pk"))
        return self.annotate(
            ciphertext=Subquery(newest.values("ciphertext")[:1]),
            credential_id=Subquery(newest.values("pk")[:1]),
        )

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
        """Members see published agents that are meant for them, admins all."""
        if user.is_admin:
            return self
        people = self.model.people.through.objects
        named = people.filter(agent=OuterRef("pk"), user=user.pk)
        return self.published().filter(
            Q(visibility="everybody")
            | Q(visibility="roles", roles__contains=[user.role])
            | Q(Exists(named), visibility="people")
        )

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
        """Agents whose newest revision answers with a model of this provider, be it
        as a fallback."""
        prefix = f"{provider.name}/"
        falls_back = _PathExists(
            F("revision__fallbacks"), Value(f'$[*] ? (@ starts with "{prefix}")')
        )
        return self.filter(Q(revision__model__startswith=prefix) | Q(falls_back))

    def in_order(self) -> AgentQuerySet:
        """The tenant's default first, then as the admins have put them."""
        return self.order_by("-is_default", "position", "name", "pk")
