"""What answers: the list of agents and models to choose from, and what was chosen.

Choices are links, `?agent=…&model=…`, so that they work without scripts; those fetch
the list as a fragment.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.models import User
from agents.asking import ModelFacts, facts
from agents.models import Agent, Provider
from chat.ids import VALID
from chat.models import Conversation, Message


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers the next message; `model` is "" for the agent's own."""

    agent: Agent | None
    model: str = ""

    @property
    def model_name(self) -> str:
        """As people say it, without the provider."""
        revision = self.agent.revision if self.agent else None
        model = self.model or (revision.model if revision else "")
        return model.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Option:
    """A line of the list. `facts` None: nothing is known of the model."""

    href: str
    agent: Agent | None
    model: str
    facts: ModelFacts | None
    current: bool


def chosen(
    user: User,
    asked: QueryDict,
    conversation: Conversation | None,
    last_reply: Message | None,
) -> Choice:
    """By the address, else by what the conversation had; whatever is not there (any
    more) is ignored."""
    visible = Agent.objects.visible_to(user).select_related("revision")
    agent = None
    if reference := asked.get("agent", ""):
        agent = visible.by_reference(reference.replace("\x00", "")).first()
    if agent is None and conversation is not None:
        agent = visible.filter(pk=conversation.agent_id).first()
    agent = agent or visible.in_order().first()
    model = asked.get("model", _model_of(last_reply) if "agent" not in asked else "")
    offered = "\x00" not in model and Provider.objects.offers(model)
    return Choice(agent, model if offered else "")


def _model_of(reply: Message | None) -> str:
    """The model a person had chosen for the last reply, and wants to go on with."""
    revision = reply.agent_revision if reply else None
    if reply is None or revision is None:
        return ""
    own = {revision.model, *revision.fallbacks}
    return "" if reply.model in own else reply.model


@login_required
@require_GET
def options(request: HttpRequest) -> HttpResponse:
    """`conversation` is where the choice is for, `part` asks for the list alone."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    target = request.GET.get("conversation", "")
    home = reverse("chat:home")
    path = reverse("chat:conversation", args=[target]) if VALID.match(target) else home
    choice = chosen(request.user, request.GET, None, None)
    known = {
        f"{provider.name}/{name}": facts(provider, name)
        for provider in Provider.objects.usable().order_by("name")
        for name in provider.model_names
        if name not in provider.disabled_models
    }
    groups = [
        (_("Agents"), _agents(request.user, path, choice, known)),
        (_("Models"), _models(path, choice, known)),
    ]
    part = "part" in request.GET
    template = "chat/_options.html" if part else "chat/options_page.html"
    return render(request, template, {"groups": groups})


def _agents(
    user: User, path: str, choice: Choice, known: dict[str, ModelFacts]
) -> list[Option]:
    visible = Agent.objects.visible_to(user).select_related("revision").in_order()
    return [
        Option(
            href=f"{path}?{urlencode({'agent': agent.slug})}",
            agent=agent,
            model=agent.revision.model,
            facts=known.get(agent.revision.model),
            current=agent == choice.agent and not choice.model,
        )
        for agent in visible
        if agent.revision is not None
    ]


def _models(path: str, choice: Choice, known: dict[str, ModelFacts]) -> list[Option]:
    agent = {"agent": choice.agent.slug} if choice.agent else {}
    return [
        Option(
            href=f"{path}?{urlencode({**agent, 'model': model})}",
            agent=None,
            model=model,
            facts=found,
            current=model == choice.model,
        )
        for model, found in known.items()
        if found.enabled
    ]
