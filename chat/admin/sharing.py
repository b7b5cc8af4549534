"""The log of sharing in the tenant's admin: to read, never to write."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.models import Share, ShareEvent
from tenants.adminsite import ModelAdmin


@admin.register(ShareEvent)
class ShareEventAdmin(ModelAdmin[ShareEvent]):
    when_empty = _(
        "Nobody has shared a conversation yet. Whoever does it in the chat is noted"
        " here."
    )
    list_display = [
        "created_at",
        "action",
        "actor",
        "shared_with",
        "role",
        "expires_at",
        "conversation_id",
    ]
    list_filter = ["action", "role", "created_at"]
    search_fields = ["actor", "whom", "conversation_id", "share_id"]
    date_hierarchy = "created_at"
    fields = [
        *("created_at", "action", "actor", "shared_with", "role", "expires_at"),
        *("conversation_id", "share_id"),
    ]

    @admin.display(description=_("with"), ordering="whom")
    def shared_with(self, event: ShareEvent) -> str:
        """Kept as the API names it: `tenant`, `link` or an address."""
        return str(dict(Share.Kind.choices).get(event.whom, event.whom))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: ShareEvent | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: ShareEvent | None = None
    ) -> bool:
        return False
