"""People and their keys. The same people page serves the platform's administrators on
the platform host, where the table holds only them."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import (
    AdminPasswordChangeForm,
    UserChangeForm,
    UserCreationForm,
)

from accounts import services
from accounts.models import ApiKey, User
from tenants.admin import platform_site
from tenants.adminsite import ModelAdmin

# One door to a tenant, with one count of wrong passwords: allauth's.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # as allauth's documents have it

admin.site.index_title = _("Today")

# Roles say what people may do; groups would only seem to.
admin.site.unregister(Group)


class PersonForm(UserChangeForm):  # type: ignore[misc]  # untyped
    """Saves while it is validated: only here a refusal can still be shown."""

    class Meta:
        model = User
        fields = ["email", "name", "role", "is_active", "password"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and self.changed_data:
            changes = {name: cleaned[name] for name in self.changed_data}
            try:
                services.update_user(user=self.instance, **changes)
            except ValidationError as error:
                self.add_error(None, error)
        return cleaned


class NewPersonForm(UserCreationForm):  # type: ignore[misc]  # untyped
    class Meta:
        model = User
        fields = ["email", "name", "role"]


class PersonAdmin(DjangoUserAdmin[User], ModelAdmin[User]):
    form = PersonForm
    add_form = NewPersonForm
    change_password_form = AdminPasswordChangeForm
    fieldsets = (
        (None, {"fields": ("email", "name", "role", "is_active", "password")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": (
                    *("email", "name", "role"),
                    *("usable_password", "password1", "password2"),
                ),
            },
        ),
    )
    readonly_fields = ("last_login", "date_joined")
    list_display = ("email", "name", "role", "is_active", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    filter_horizontal = ()

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        """Admins look at owners: whoever sets a password can be that person."""
        theirs = obj is not None and obj.role == User.Role.OWNER
        return super().has_change_permission(request, obj) and (
            not theirs or _is_owner(request)
        )

    def formfield_for_choice_field(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "role" and not _is_owner(request):
            kwargs["choices"] = [
                choice for choice in User.Role.choices if choice[0] != User.Role.OWNER
            ]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool
    ) -> None:
        """A change was saved by the form, where it could still be refused."""
        if not change:
            super().save_model(request, obj, form, change)

    def has_delete_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        """People are switched off: their conversations and the ledger name them."""
        return False


def _is_owner(request: HttpRequest) -> bool:
    return getattr(request.user, "role", None) == User.Role.OWNER


admin.site.register(User, PersonAdmin)
platform_site.register(User, PersonAdmin)


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin[ApiKey]):
    """Deleting revokes. Keys are made by their owners, who alone see them."""

    list_display = ["name", "prefix", "user", "created", "last_used_at"]
    when_empty = _(
        "Nobody has a key yet. Everybody makes their own, in their settings."
    )
    list_select_related = ["user"]
    list_filter = ["last_used_at"]
    search_fields = ["name", "user__email"]
    fields = ["name", "prefix", "user", "created", "last_used_at"]

    @admin.display(description=_("begins with"))
    def prefix(self, key: ApiKey) -> str:
        return f"{key.token_key}…"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: ApiKey | None = None
    ) -> bool:
        return False
