"""Making tenants, and changing whether they are served."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from tenants import hosts
from tenants.db import EXPLICIT, PUBLIC, entered
from tenants.models import HOST_NAME, SLUG, Domain, Tenant


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What the provisioners of the upper layers need to know."""

    owner_email: str
    owner_password: str | None


def create_tenant(
    *,
    slug: str,
    owner_email: str,
    owner_password: str | None = None,
    name: str = "",
    domain: str = "",
) -> Tenant:
    """Schema, tables, domain and what settings.TENANT_PROVISIONERS add, or nothing.

    All in one transaction: PostgreSQL's DDL is transactional, so a crash on the way
    leaves no half-made tenant behind. Without a password the owner has to reset it.
    Raises django's ValidationError when a value is malformed or already taken.
    """
    slug = slug.strip()
    domain = (domain.strip() or f"{slug}.localhost").lower()
    SLUG(slug)
    HOST_NAME(domain)
    if domain == settings.PLATFORM_HOST:
        raise ValidationError(
            _("%(domain)s is the platform's own address.") % {"domain": domain}
        )
    new = NewTenant(owner_email=owner_email, owner_password=owner_password)
    with entered(PUBLIC), transaction.atomic():
        if Tenant.objects.filter(slug=slug).exists():
            raise ValidationError(
                _("There is already a tenant “%(slug)s”.") % {"slug": slug}
            )
        if Domain.objects.filter(domain=domain).exists():
            raise ValidationError(
                _("%(domain)s already leads to a tenant.") % {"domain": domain}
            )
        tenant = Tenant(
            slug=slug,
            name=name.strip() or slug,
            schema_name=f"t_{slug.replace('-', '_')}",
        )
        try:
            tenant.save()
            Domain.objects.create(tenant=tenant, domain=domain, is_primary=True)
        except IntegrityError as error:
            # Somebody else was making it, and has committed since we looked.
            raise ValidationError(
                _("%(slug)s or %(domain)s has just been taken.")
                % {"slug": slug, "domain": domain}
            ) from error
        with entered(EXPLICIT):
            tenant.create_schema(check_if_exists=False, verbosity=0)
        with entered(tenant.scope):
            for path in settings.TENANT_PROVISIONERS:
                import_string(path)(new)
        # django-tenants left the wrapper on the new schema; the next cursor follows
        # the scope again.
    hosts.forget()
    return tenant


def set_status(*, tenant: Tenant, status: Tenant.Status) -> None:
    """Suspend or reactivate; running servers follow within hosts.TTL seconds."""
    tenant.status = status
    # Not save(): django-tenants asks there in which schema the connection was last,
    # which says nothing about the scope.
    with entered(PUBLIC):
        Tenant.objects.filter(pk=tenant.pk).update(status=status)
    hosts.forget()


def tenant_by_slug(slug: str) -> Tenant:
    """Raises Tenant.DoesNotExist. Works from any scope."""
    with entered(PUBLIC):
        tenant: Tenant = Tenant.objects.get(slug=slug)
        return tenant
