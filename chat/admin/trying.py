"""The admin's page to try an agent. It stands here, above agents, because only here
somebody knows how to ask one."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.errors import APIError
from accounts.models import User
from agents.admin import AgentAdmin
from agents.admin.pages import page, row, said
from agents.forms import ParametersField
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

    @page_button(_("Try"), path="try", icon="science")
    def try_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """One question, answered as a draft would; nothing is published by it."""
        agent = row(self, request, object_id)
        user = request.user
        if not isinstance(user, User) or agent.revision is None:
            raise AssertionError("the admin lets only people in, and agents answer")
        post = request.POST
        parameters = post.get("parameters", json.dumps(agent.revision.parameters))
        draft = {
            "system_prompt": _lines(
                post.get("system_prompt", agent.revision.system_prompt)
            ),
            "model": post.get("model", agent.revision.model).strip(),
        }
        asked = {
            "message": _lines(post.get("message", "")),
            "message_id": post.get("message_id", ""),
        }
        tried, problem = None, ""
        if request.method == "POST":
            tried, problem = _try(agent, user, parameters, **asked, **draft)
        mine = Message.objects.visible_to(user).filter(author=user)
        return page(
            self,
            request,
            agent,
            "agents/agent_try.html",
            title=gettext("Try %(name)s") % {"name": agent.name},
            draft=draft | {"parameters": parameters},
            asked=asked,
            past=mine.order_by("-created_at")[:_PAST],
            tried=tried,
            before=_answered(user, asked["message_id"]) if tried else "",
            problem=problem,
        )


def _answered(user: User, message_id: str) -> str:
    """The newest answer that a past question had."""
    replies = Message.objects.visible_to(user).filter(parent=message_id)
    newest = replies.order_by("-created_at").first()
    return newest.text if newest else ""


def _try(
    agent: Agent, user: User, parameters: str, **draft: Any
) -> tuple[Tried | None, str]:
    try:
        draft["parameters"] = ParametersField(required=False).clean(parameters) or {}
        tried = try_agent(agent=agent, user=user, **draft)
    except ValidationError as error:
        return None, said(error)
    except APIError as error:
        return None, error.detail
    except LLMError as error:
        return None, gettext(error.text)
    return tried, gettext(tried.failure.text) if tried.failure else ""


def _lines(text: str) -> str:
    """Browsers send line breaks as CR LF."""
    return text.replace("\r\n", "\n")
