"""Providers and agents in the tenant's admin; all writes go through the services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from agents import services
from agents.forms import AgentForm, ProviderForm
from agents.models import Agent, AgentRevision, Provider
from llm.lanes import Lanes


@admin.register(Provider)
class ProviderAdmin(admin.ModelAdmin[Provider]):
    form = ProviderForm
    list_display = ["name", "kind", "base_url", "lane", "enabled", "key"]
    list_filter = ["enabled", "kind"]
    search_fields = ["name", "base_url"]
    fields = [
        *("name", "kind", "base_url", "lane", "models", "enabled"),
        *("key", "api_key", "remove_key"),
    ]
    readonly_fields = ["key", "lane"]
    actions = None  # deleted one at a time: some of many may be in use

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return Provider.objects.with_key_age().order_by("name")

    @admin.display(description="key", empty_value="none")
    def key(self, provider: Provider) -> str | None:
        """Never the key itself."""
        since = getattr(provider, "key_updated_at", None)
        return f"set on {since:%Y-%m-%d %H:%M} UTC" if since else None

    @admin.display
    def lane(self, provider: Provider) -> str | None:
        """Of the kind, as llm.lanes and the operator's settings have it."""
        if not provider.kind:
            return None
        return Lanes(settings.LLM_LANES).of(provider.kind).label

    def has_delete_permission(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> bool:
        used = obj is not None and Agent.objects.using_provider(obj).exists()
        return super().has_delete_permission(request, obj) and not used

    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        services.delete_provider(provider=obj)

    def save_model(
        self, request: HttpRequest, obj: Provider, form: Any, change: bool
    ) -> None:
        """The form has saved it."""


class RevisionInline(admin.TabularInline[AgentRevision, Agent]):
    """The history, newest first, to read."""

    model = AgentRevision
    fk_name = "agent"
    extra = 0
    fields = ["number", "model", "system_prompt", "parameters", "author", "created_at"]
    readonly_fields = ["created_at"]  # and so is all else, by the permissions below
    ordering = ["-number"]
    can_delete = False
    verbose_name_plural = "history"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentRevision]:
        return super().get_queryset(request).select_related("author", "agent")

    def has_add_permission(
        self, request: HttpRequest, obj: Agent | None = None
    ) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Agent | None = None
    ) -> bool:
        return False


@admin.register(Agent)
class AgentAdmin(admin.ModelAdmin[Agent]):
    form = AgentForm
    list_display = ["name", "slug", "model_id", "published", "is_default"]
    list_filter = ["published"]
    list_select_related = ["revision"]
    search_fields = ["name", "slug", "description"]
    inlines = [RevisionInline]
    actions = None  # as above
    fields = [
        *("name", "slug", "description", "published", "is_default"),
        *("model", "system_prompt", "parameters"),
    ]

    @admin.display(description="model")
    def model_id(self, agent: Agent) -> str:
        return agent.revision.model if agent.revision else ""

    def get_inlines(self, request: HttpRequest, obj: Agent | None) -> Any:
        """A new agent has no history."""
        return self.inlines if obj else []

    def get_form(
        self,
        request: HttpRequest,
        obj: Agent | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[forms.ModelForm[Agent]]:
        form = super().get_form(request, obj, change=change, **kwargs)
        by = request.user if isinstance(request.user, User) else None
        return type(form.__name__, (form,), {"author": by})

    def has_delete_permission(
        self, request: HttpRequest, obj: Agent | None = None
    ) -> bool:
        is_default = obj is not None and obj.is_default
        return super().has_delete_permission(request, obj) and not is_default

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        services.delete_agent(agent=obj)

    def save_model(
        self, request: HttpRequest, obj: Agent, form: Any, change: bool
    ) -> None:
        """The form has saved it."""
