"""A reply goes on whose tools waited until a person allowed them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from accounts.models import User
from agents.models import Agent, AgentRevision
from agents.parameters import MAX_STEPS
from agents.resolving import resolve_model
from agents.tools.toolbox import NO_TOOLS, wanted_tools
from chat import prompting
from chat.errors import (
    InvalidMessageError,
    NotFoundError,
    RepeatedSendError,
    TurnRunningError,
)
from chat.models import Conversation, Message, Turn
from chat.parts import ALLOWED, events_of, is_tool, waiting_calls
from chat.services.access import refusal
from chat.services.granting import reserve_for
from chat.turns.plan import Send, Spent, TurnPlan
from chat.turns.worker import worker_name
from llm.client import Prompt
from llm.events import ToolCalled, Usage
from tenants.db import scope
from usage.services import Grant


@dataclass(frozen=True, slots=True)
class _Going:
    """The rows of a turn that goes on; `parts` as they were."""

    turn: Turn
    conversation: Conversation
    reply: Message
    revision: AgentRevision
    asker: User
    parts: list[dict[str, Any]]
    decided: tuple[tuple[ToolCalled, bool], ...]
    build: Callable[[], Prompt]
    grant: Grant


def continue_turn(*, user: User, send: Send, api_key_id: int | None = None) -> TurnPlan:
    """Note what a person decided on, and say how the reply goes on.

    Raises NotFoundError, ForbiddenError, TurnRunningError, InvalidMessageError,
    PermissionDenied, RateLimitedError, BudgetExceededError, and RepeatedSendError for
    what was decided before; then nothing is changed.
    """
    try:
        with transaction.atomic():
            going = _start(user, send, api_key_id)
    except IntegrityError as error:
        constraint = getattr(
            getattr(error.__cause__, "diag", None), "constraint_name", ""
        )
        if constraint == "turn_one_running":
            raise TurnRunningError from error
        raise
    return _plan(user, going)


def _start(user: User, send: Send, api_key_id: int | None) -> _Going:
    mine = Conversation.objects.writable_by(user).select_for_update()
    conversation = mine.filter(pk=send.conversation_id).first()
    if conversation is None:
        raise refusal(user, send.conversation_id or "")
    reply = (
        conversation.messages.filter(pk=send.target_id or conversation.active_leaf_id)
        .select_related("agent_revision__agent__revision", "parent")
        .first()
    )
    answers = dict(send.approvals)
    if reply is None or not answers.keys() <= _asked(reply):
        raise NotFoundError("Nothing waits here for that answer.")
    newest = reply.turns.order_by("-created_at").first()
    waiting = waiting_calls(reply.parts)
    if newest is not None and not answers.keys() & waiting.keys():
        raise RepeatedSendError(newest.pk)
    if conversation.turns.running().exists():
        raise TurnRunningError
    asker = _asker(reply)
    if asker is None or user.pk not in {asker.pk, conversation.owner_id}:
        raise PermissionDenied
    revision = reply.agent_revision
    if reply.children.exists() or revision is None:
        raise InvalidMessageError("The conversation has gone on without these calls.")
    if not Agent.objects.visible_to(user).filter(pk=revision.agent_id).exists():
        raise InvalidMessageError("Its agent is not offered to you any more.")
    if waiting.keys() - answers.keys():
        raise InvalidMessageError("Answer all calls that wait, at once.")
    decided = tuple((waiting[asked], answers[asked]) for asked in waiting)
    parts = reply.parts
    Message.objects.filter(pk=reply.pk).update(
        status=Message.Status.PENDING, parts=[_noted(part, answers) for part in parts]
    )
    turn = Turn.objects.create(
        conversation=conversation,
        reply=reply,
        author=user,
        api_key_id=api_key_id,
        worker=worker_name(),
    )
    build = cache(partial(_build, turn, conversation, reply, revision, asker))
    grant = reserve_for(turn, revision.agent_id, reply.model, build)
    return _Going(
        turn, conversation, reply, revision, asker, parts, decided, build, grant
    )


def _asker(reply: Message) -> User | None:
    """Who asked for the reply. Its tools have their rights, whoever allows them."""
    first = reply.turns.select_related("author").order_by("created_at").first()
    return first.author if first else None


def _build(
    turn: Turn,
    conversation: Conversation,
    reply: Message,
    revision: AgentRevision,
    user: User,
) -> Prompt:
    if reply.parent is None:
        raise AssertionError("a reply without a question")
    resolved = resolve_model(reply.model)
    # So that a revoked key ends this turn too.
    Turn.objects.filter(pk=turn.pk).update(credential=resolved.credential_id)
    return prompting.build(
        conversation,
        reply.parent,
        revision,
        resolved,
        user,
        reply=reply,
        continued=True,
    )


def _asked(reply: Message) -> set[str]:
    """The ids under which a person was asked, answered or not."""
    return {part["approval"]["id"] for part in reply.parts if "approval" in part}


def _noted(part: dict[str, Any], answers: dict[str, bool]) -> dict[str, Any]:
    """If we die now, a call that may have been made must not be offered again."""
    if not is_tool(part) or part.get("approval", {}).get("id") not in answers:
        return part
    approval = part["approval"]
    approved = answers[approval["id"]]
    state = ALLOWED if approved else "output-denied"
    return {**part, "state": state, "approval": {**approval, "approved": approved}}


def _tools_left(revision: AgentRevision) -> list[str]:
    """What an admin has taken from the agent since it asked is not called any more."""
    newest = revision.agent.revision
    return [name for name in revision.tools if newest and name in newest.tools]


def _plan(user: User, going: _Going) -> TurnPlan:
    """After the commit, as at the start of any turn."""
    reply, revision, turn = going.reply, going.revision, going.turn
    prompt: Prompt | None = None
    failure: Exception | None = None
    grant = going.grant
    try:
        prompt = grant.limited(going.build())
        grant = grant.priced(prompt)
    except Exception as error:  # noqa: BLE001  # the runner tells and logs it
        failure = error
    usage = Usage(
        reply.prompt_tokens, reply.completion_tokens, estimated=reply.estimated
    )
    return TurnPlan(
        scope=scope(),
        turn_id=turn.pk,
        conversation_id=going.conversation.pk,
        user_message_id=reply.parent_id or "",
        reply_id=reply.pk,
        user_id=user.pk,
        api_key_id=turn.api_key_id,
        agent_id=revision.agent_id,
        agent_slug=revision.agent.slug,
        model=reply.model,
        new_title=None,
        message_length=0,
        partial="",
        grant=grant,
        prompt=prompt,
        failure=failure,
        wanted=wanted_tools(_tools_left(revision)) if prompt else NO_TOOLS,
        max_steps=revision.parameters.get("max_steps", MAX_STEPS),
        recalled=tuple(events_of(going.parts)),
        decided=going.decided,
        acts_for=going.asker.pk,
        spent=Spent(usage, reply.cost),
    )
