"""Agents: their form, and the page of their revisions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agents import services
from agents.admin.pages import KeptWhileUsed, page, row, said
from agents.availability import problem_of, providers_by_name
from agents.errors import NotFoundError
from agents.forms import AgentForm, PeopleField
from agents.history import Difference, difference, in_words
from agents.models import Agent, AgentRevision
from tenants.adminsite import page_button

# Of an agent's history, on its page.
_SHOWN = 50


@admin.register(Agent)
class AgentAdmin(KeptWhileUsed[Agent]):
    form = AgentForm
    when_empty = _("People choose whom they talk to among agents. Make the first one.")
    list_display = [
        *("picture", "name", "slug", "model_id", "published", "visibility"),
        *("is_default", "position", "problem"),
    ]
    list_display_links = ["name"]
    list_filter = ["published", "visibility"]
    list_select_related = ["revision"]
    search_fields = ["name", "slug", "description"]
    actions = ["publish", "unpublish"]
    actions_detail = ["revisions_page"]
    readonly_fields = ["problem"]
    autocomplete_fields = ["people"]
    prepopulated_fields = {"slug": ["name"]}
    fieldsets = [
        (None, {"fields": ["name", "slug", "description"]}),
        (
            _("How it answers"),
            {
                "fields": [
                    *("system_prompt", "model", "problem", "fallbacks", "tools"),
                ],
            },
        ),
        (
            _("Parameters"),
            {
                "description": _(
                    "What is left empty is as the model has it. Not every model takes "
                    "every one; saving tells."
                ),
                "fields": [
                    ("temperature", "top_p"),
                    ("max_tokens", "seed"),
                    ("reasoning_effort", "verbosity"),
                    ("presence_penalty", "frequency_penalty"),
                    *("max_steps", "parameters"),
                ],
            },
        ),
        (_("How it looks"), {"fields": [("color", "emoji"), "starters"]}),
        (
            _("Who sees it"),
            {
                "fields": [
                    *("published", "is_default", "visibility", "roles", "people"),
                    "position",
                ]
            },
        ),
    ]

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        return super().formfield_for_manytomany(
            db_field, request, **{"form_class": PeopleField, **kwargs}
        )

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Without a menu to change or add people from here."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "people":
            for act in ("add", "change", "delete", "view"):
                setattr(field.widget, f"can_{act}_related", False)
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        return (
            super()
            .get_queryset(request)
            .order_by("-is_default", "position", "name", "pk")
        )

    @admin.display(description=_("picture"))
    def picture(self, agent: Agent) -> str:
        return agent.emoji or agent.name[:1].upper()

    @admin.display(description=_("model"))
    def model_id(self, agent: Agent) -> str:
        return agent.revision.model if agent.revision else ""

    @admin.display(description=_("problem"))
    def problem(self, agent: Agent) -> str:
        """Why its model cannot be asked."""
        if agent.pk is None:
            return gettext("none")
        providers = getattr(agent, "providers", None) or providers_by_name()
        return problem_of(agent.revision, providers) or gettext("none")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """With the providers for `problem`, asked for once."""
        found = super().get_changelist_instance(request)
        providers = providers_by_name()
        for agent in found.result_list:
            agent.providers = providers
        return found

    @admin.action(description=_("Publish"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self._set_published(request, queryset, True)

    @admin.action(description=_("Unpublish"), permissions=["change"])
    def unpublish(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self._set_published(request, queryset, False)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleted one at a time: some of many may be in use."""
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    @page_button(_("Revisions"), path="revisions", icon="history")
    def revisions_page(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """What changed when and by whom; any of them can come back."""
        agent = row(self, request, object_id)
        if request.method == "POST":
            self._restore(request, agent, request.POST.get("number", ""))
            return HttpResponseRedirect(request.path)
        revisions = list(agent.revisions.select_related("author")[: _SHOWN + 1])
        return page(
            self,
            request,
            agent,
            "agents/agent_revisions.html",
            title=gettext("Revisions of %(name)s") % {"name": agent.name},
            rows=_with_differences(revisions)[:_SHOWN],
        )

    def _restore(self, request: HttpRequest, agent: Agent, number: str) -> None:
        author = request.user if isinstance(request.user, User) else None
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            return
        try:
            restored = services.restore_revision(
                agent=agent, number=int(number), author=author
            )
        except ValidationError as error:
            messages.error(request, said(error))
            return
        if restored is not None:
            done = gettext("Revision %(old)s answers again, as revision %(new)d.") % {
                "old": number,
                "new": restored.number,
            }
            made = {"name": gettext_noop("revision"), "object": str(restored.number)}
            self.log_change(request, agent, [{"added": made}])
            messages.success(request, done)

    def _set_published(
        self, request: HttpRequest, queryset: QuerySet[Agent], published: bool
    ) -> None:
        author = request.user if isinstance(request.user, User) else None
        for agent in queryset:
            try:
                services.update_agent(agent=agent, author=author, published=published)
            except ValidationError as error:
                messages.error(request, f"{agent.name}: {said(error)}")
            except NotFoundError:
                continue  # deleted by somebody else
            else:
                self.log_change(
                    request, agent, [{"changed": {"fields": ["published"]}}]
                )

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

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        services.delete_agent(agent=obj)

    def save_model(
        self, request: HttpRequest, obj: Agent, form: Any, change: bool
    ) -> None:
        """The form has saved it."""


def _with_differences(
    revisions: list[AgentRevision],
) -> list[tuple[AgentRevision, Difference | None]]:
    """Newest first, each with what it changed; the first one changed nothing."""
    older: list[AgentRevision | None] = [*revisions[1:], None]
    return [
        (new, in_words(difference(old, new)) if old else None)
        for new, old in zip(revisions, older, strict=True)
    ]
