"""The ledger in the tenant's admin: to read, never to write."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from tenants.adminsite import ModelAdmin
from usage.models import UsageRecord


@admin.register(UsageRecord)
class UsageRecordAdmin(ModelAdmin[UsageRecord]):
    list_display = [
        "created_at",
        "user",
        "agent",
        "kind",
        "model",
        "total_tokens",
        "cost",
        "estimated",
        "status",
        "ttft_ms",
        "duration_ms",
    ]
    list_filter = ["kind", "status", "estimated", "model", "created_at"]
    list_select_related = ["user", "agent"]
    search_fields = ["conversation_id", "message_id", "turn_id", "model"]
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: UsageRecord | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: UsageRecord | None = None
    ) -> bool:
        return False
