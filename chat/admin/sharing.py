"""The log of sharing in the tenant's admin: to read, never to write."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from chat.models import ShareEvent
from tenants.adminsite import ModelAdmin


@admin.register(ShareEvent)
class ShareEventAdmin(ModelAdmin[ShareEvent]):
    list_display = [
        "created_at",
        "action",
        "actor",
        "whom",
        "role",
        "expires_at",
        "conversation_id",
    ]
    list_filter = ["action", "role", "created_at"]
    search_fields = ["actor", "whom", "conversation_id", "share_id"]
    date_hierarchy = "created_at"

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
