"""Organisations and their addresses. These rows live in the public schema."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

from tenants.db import Scope

# Lower case and no underscore: "t_" + slug with "_" for "-" is then one-to-one.
SLUG = RegexValidator(
    r"\A[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?\Z",
    _("Use 1 to 40 lower-case letters, digits and hyphens, starting with a letter."),
)
HOST_NAME = RegexValidator(
    r"\A(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z",
    _("Use a host name in lower case, without scheme, port or path."),
)


class Tenant(TenantMixin):  # type: ignore[misc]  # untyped package
    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")

    slug = models.CharField(max_length=40, unique=True, validators=[SLUG])
    name = models.CharField(max_length=200)
    status = models.CharField(
        max_length=10, choices=Status.choices, default=Status.ACTIVE
    )
    created_at = models.DateTimeField(auto_now_add=True)

    # services.create_tenant makes the schema, in one transaction with this row.
    auto_create_schema = False
    auto_drop_schema = False

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def scope(self) -> Scope:
        return Scope(
            schema_name=self.schema_name,
            slug=self.slug,
            name=self.name,
            tenant_id=self.pk,
        )


class Domain(DomainMixin):  # type: ignore[misc]  # untyped package
    """A host name that leads to a tenant; one of them is primary."""

    def clean(self) -> None:
        self.domain: str = self.domain.strip().lower()
        HOST_NAME(self.domain)
        if self.domain == settings.PLATFORM_HOST:
            message = gettext("%(domain)s is the platform's own address.")
            raise ValidationError({"domain": message % {"domain": self.domain}})

    def __str__(self) -> str:
        return str(self.domain)
