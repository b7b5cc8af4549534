"""Tenants and domains, on the platform host only."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
)

from tenants import hosts, services
from tenants.adminsite import AdminSite, ModelAdmin, StackedInline
from tenants.models import Domain, Tenant

# Wrong passwords for one name, and the seconds in which they are counted.
ATTEMPTS, WINDOW = 5, 300


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # untyped
    """Counts attempts in the cache, one for all processes. By name, not by address:
    behind a proxy all have the proxy's."""

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username", "").casefold()
        key = f"sign-in:{sha256(name.encode()).hexdigest()}"
        # Counted before the password is looked at, which takes long enough for many
        # attempts at once.
        if _counted(key) > ATTEMPTS:
            raise ValidationError(gettext("Too many attempts. Try again in 5 minutes."))
        cleaned: dict[str, Any] = super().clean()
        cache.delete(key)
        return cleaned


@transaction.atomic
def _counted(key: str) -> int:
    """Attempts with this one; what comes at the same moment waits its turn."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [key])
    count: int = cache.get(key, 0) + 1
    cache.set(key, count, WINDOW)
    return count


class PlatformSite(AdminSite):
    """`settings_name` is where unfold looks for what the site is like."""

    settings_name = "UNFOLD_PLATFORM"
    login_form = SignInForm
    index_title = _("Tenants")


platform_site = PlatformSite(name="platform")


class TenantAddForm(forms.ModelForm[Tenant]):
    domain = forms.CharField(
        label=_("Domain"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Host name. Left empty: the slug and “.localhost”."),
    )
    owner_email = forms.EmailField(
        label=_("Owner's e-mail"),
        widget=UnfoldAdminEmailInputWidget,
        help_text=_("Becomes the tenant's owner."),
    )
    owner_password = forms.CharField(
        label=_("Owner's password"),
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text=_("Left empty, the owner sets one by “Forgot your password?”."),
    )

    class Meta:
        model = Tenant
        fields = ["slug", "name"]
        labels = {"slug": _("Slug"), "name": _("Name")}
        widgets = {
            "slug": UnfoldAdminTextInputWidget,
            "name": UnfoldAdminTextInputWidget,
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            self.instance = services.create_tenant(
                slug=cleaned["slug"],
                name=cleaned["name"],
                domain=cleaned["domain"],
                owner_email=cleaned["owner_email"],
                owner_password=cleaned["owner_password"] or None,
            )
        except ValidationError as error:
            self.add_error(None, error)
        return cleaned

    def _post_clean(self) -> None:
        """The service has made the row; a model form would check it once more."""

    def save(self, commit: bool = True) -> Tenant:
        return self.instance

    def save_m2m(self) -> None:
        """Tenants have no many-to-many fields; the admin calls this all the same."""


class DomainInline(StackedInline[Domain, Tenant]):
    model = Domain
    extra = 0
    fields = [("domain", "is_primary")]


@admin.register(Tenant, site=platform_site)
class TenantAdmin(ModelAdmin[Tenant]):
    when_empty = _(
        "There is no tenant yet. Each has an address, people and data of its own. "
        "Add the first one."
    )
    list_display = ["name", "slug", "status", "created_at"]
    list_filter = ["status"]
    search_fields = ["name", "slug", "domains__domain"]
    actions = ["suspend", "activate"]
    inlines = [DomainInline]
    fields = ["name", "slug", "status", "schema_name", "created_at"]
    readonly_fields = ["slug", "schema_name", "created_at"]

    def get_inlines(self, request: HttpRequest, obj: Tenant | None) -> Any:
        """A new tenant's domain is in the form itself."""
        return self.inlines if obj else []

    def get_form(
        self,
        request: HttpRequest,
        obj: Tenant | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if obj is None:
            return TenantAddForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Tenant | None = None) -> Any:
        if obj is None:
            names = ["slug", "name", "domain", "owner_email", "owner_password"]
            return [(None, {"fields": names})]
        return super().get_fieldsets(request, obj)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Tenant | None = None
    ) -> Any:
        return self.readonly_fields if obj else []

    def save_model(
        self, request: HttpRequest, obj: Tenant, form: Any, change: bool
    ) -> None:
        if change:
            obj.save()
        # Not yet: domains are saved after this, and seen by others after the commit.
        transaction.on_commit(hosts.forget)

    def has_delete_permission(
        self, request: HttpRequest, obj: Tenant | None = None
    ) -> bool:
        """A row without its schema would hide data nobody can reach any more."""
        return False

    @admin.action(description=_("Suspend selected tenants"))
    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        self._set_status(request, queryset, Tenant.Status.SUSPENDED)

    @admin.action(description=_("Activate selected tenants"))
    def activate(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        self._set_status(request, queryset, Tenant.Status.ACTIVE)

    def _set_status(
        self, request: HttpRequest, queryset: QuerySet[Tenant], status: Tenant.Status
    ) -> None:
        for tenant in queryset:
            services.set_status(tenant=tenant, status=status)
        text = (
            ngettext(
                "%(number)d tenant is suspended now.",
                "%(number)d tenants are suspended now.",
                len(queryset),
            )
            if status == Tenant.Status.SUSPENDED
            else ngettext(
                "%(number)d tenant is active now.",
                "%(number)d tenants are active now.",
                len(queryset),
            )
        )
        messages.success(request, text % {"number": len(queryset)})
