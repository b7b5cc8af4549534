"""The admin's page to try an agent. It stands here, above agents, because only here
somebody knows how to ask one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from accounts.errors import APIError
from accounts.models import User
from agents.admin import AgentAdmin
from agents.admin.pages import page, row, said
from agents.models import Agent
from chat.models import Message
from chat.services.trying import Tried, try_agent
from llm.errors import LLMError
from tenants.adminsite import page_button

# Of one's own questions, to try a draft with.
_PAST = 20

admin.site.unregister(Agent)


@admin.register(Agent)
class TriedAgentAdmin(AgentAdmin):
    actions_detail = [*AgentAdmin.actions_detail, "try_page"]

    @page_button("Try", path="try", icon="science")
    def try_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One question, answered as a draft would; nothing is published by it."""
        agent = row(self, request, object_id)
        user = request.user
        if not isinstance(user, User) or agent.revision is None:
            raise AssertionError("the admin lets only people in, and agents answer")
        draft = {
            "system_prompt": _lines(
                request.POST.get("system_prompt", agent.revision.system_prompt)
            ),
            "model": request.POST.get("model", agent.revision.model).strip(),
        }
        message = _lines(request.POST.get("message", ""))
        tried, problem = None, ""
        if request.method == "POST":
            tried, problem = _try(agent, user, message, draft)
        mine = Message.objects.visible_to(user).filter(author=user)
        return page(
            self,
            request,
            agent,
            "agents/agent_try.html",
            title=f"Try {agent.name}",
            draft=draft,
            message=message,
            past=mine.order_by("-created_at")[:_PAST],
            tried=tried,
            problem=problem,
        )


def _try(
    agent: Agent, user: User, message: str, draft: dict[str, Any]
) -> tuple[Tried | None, str]:
    try:
        tried = try_agent(agent=agent, user=user, message=message, **draft)
    except ValidationError as error:
        return None, said(error)
    except APIError as error:
        return None, error.detail
    except LLMError as error:
        return None, error.text
    return tried, tried.failure.text if tried.failure else ""


def _lines(text: str) -> str:
    """Browsers send line breaks as CR LF."""
    return text.replace("\r\n", "\n")
