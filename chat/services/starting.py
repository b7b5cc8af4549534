"""The start of a turn: everything a person typed is committed before any provider is
called, in one short transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agents.models import Agent, AgentRevision, Provider
from agents.parameters import MAX_STEPS
from agents.querysets import AgentQuerySet
from agents.resolving import Resolved, resolve_model
from agents.tools.toolbox import NO_TOOLS, wanted_tools
from chat import prompting
from chat.errors import (
    IdempotencyMismatchError,
    InvalidMessageError,
    NoAgentError,
    NotFoundError,
    RepeatedSendError,
    TooLargeError,
    TurnRunningError,
)
from chat.ids import VALID
from chat.models import (
    PREVIEW_LENGTH,
    TITLE_LENGTH,
    Conversation,
    Message,
    Turn,
    one_line,
)
from chat.services.access import refusal
from chat.services.approving import continue_turn
from chat.services.granting import reserve_for
from chat.services.placing import Place, place_of
from chat.services.telling import tell_started
from chat.turns.plan import Send, TurnPlan
from chat.turns.worker import worker_name
from llm.client import Prompt
from llm.errors import LLMError
from tenants.db import scope
from tenants.prepared import Prepared, hole
from tenants.rows import insert_together
from usage.services import Grant


def start_turn(*, user: User, send: Send, api_key_id: int | None = None) -> TurnPlan:
    """Store the message, an empty reply and the turn; say what to ask the provider.

    `api_key_id` is the key by which the person asks, None from a page.
    Raises NotFoundError, ForbiddenError, TurnRunningError, NoAgentError,
    InvalidMessageError, TooLargeError, RateLimitedError, BudgetExceededError or, for a
    send that was stored before, RepeatedSendError; and then nothing was stored. A
    provider that cannot be asked is no such error: the turn exists and its plan carries
    the failure.
    """
    _check_ids(send)
    if send.trigger == "approve":
        return continue_turn(user=user, send=send, api_key_id=api_key_id)
    send = _meant(user, send)
    _check_text(send)
    try:
        started = _commit(user, send, api_key_id)
    except IntegrityError as error:
        # Two requests made the same new conversation, and the other one has it now; or
        # the agent was deleted after we had chosen it.
        name = _violated(error)
        if name != "chat_conversation_pkey" and "_fk_agents" not in name:
            raise
        started = _commit(user, send, api_key_id)
    return _plan(user, started)


def _commit(user: User, send: Send, api_key_id: int | None) -> _Started:
    try:
        with transaction.atomic():
            return _start(user, send, api_key_id)
    except IntegrityError as error:
        # Only the database can tell of what another transaction has just done.
        match _violated(error):
            case "turn_one_running":
                # Perhaps the same send's: which constraint fails first is not ours.
                _refuse_repeated(user, send)
                raise TurnRunningError from error
            case "turn_idempotency_once":
                _refuse_repeated(user, send)
            case "chat_message_pkey":
                _refuse_repeated(user, send)
                raise NotFoundError("There is no such message here.") from error
        raise


def _violated(error: IntegrityError) -> str:
    """The name of the constraint."""
    return str(getattr(getattr(error.__cause__, "diag", None), "constraint_name", ""))


def _refuse_repeated(user: User, send: Send) -> None:
    """Raises RepeatedSendError if this send is known by its key or message id."""
    if send.idempotency_key is not None:
        turn = (
            Turn.objects.filter(author=user, idempotency_key=send.idempotency_key)
        ).first()
        if turn is not None:
            if turn.send_digest != send.digest:
                raise IdempotencyMismatchError
            raise RepeatedSendError(turn.pk)
    if send.message_id is not None and send.conversation_id is not None:
        first = (
            Turn.objects.visible_to(user)
            .filter(reply__parent=send.message_id, conversation=send.conversation_id)
            .order_by("created_at")
            .first()
        )
        if first is not None:
            raise RepeatedSendError(first.pk)


def _meant(user: User, send: Send) -> Send:
    """What a client means that tries again. If its first try was refused or lost, the
    question is not here yet: a send like any other. If it edited the question, it
    knows the edited one by the old one's id, and by its text."""
    if send.trigger != "regenerate" or send.message_id is None:
        return send
    own = Conversation.objects.writable_by(user).filter(pk=send.conversation_id)
    messages = Message.objects.filter(conversation__in=own, role=Message.Role.USER)
    held = messages.filter(pk=send.message_id).first()
    if send.target_id in {None, send.message_id}:
        if held is None:
            return replace(send, trigger="submit", target_id=None)
        if send.target_id and send.text != held.text:
            edited = messages.filter(parent=held.parent_id, text=send.text)
            if newest := edited.order_by("-created_at").first():
                return replace(send, message_id=None, target_id=newest.pk)
    return replace(send, message_id=None)


def _check_ids(send: Send) -> None:
    ids = (send.conversation_id, send.message_id, send.target_id, send.parent_id)
    if any(value is not None and not VALID.match(value) for value in ids):
        raise InvalidMessageError(
            "Ids are 8 to 64 letters, digits, hyphens and underscores."
        )


def _check_text(send: Send) -> None:
    if send.trigger == "submit" and not send.text.strip():
        raise InvalidMessageError(_("The message is empty."))
    if len(send.text.encode()) > settings.TURN_MAX_MESSAGE_BYTES:
        limit = settings.TURN_MAX_MESSAGE_BYTES // 1024
        raise TooLargeError(format_lazy(_("A message may have {} KiB."), limit))


@dataclass(frozen=True, slots=True)
class _Started:
    """The rows of a turn that is about to begin; `build` makes its call, once."""

    turn: Turn
    conversation: Conversation
    place: Place
    question: Message
    reply: Message
    agent: Agent
    revision: AgentRevision
    new_title: str | None
    build: Callable[[], Prompt]
    grant: Grant


def _start(user: User, send: Send, api_key_id: int | None) -> _Started:
    found = _locked(user, send)
    _refuse_repeated(user, send)
    if found is not None and found.turns.running().exists():
        raise TurnRunningError
    place = place_of(found, send) if found else Place()
    agent, revision = _agent(user, send, found)
    conversation = found or Conversation(
        **({"pk": send.conversation_id} if send.conversation_id else {}), owner=user
    )
    question, reply = _messages(user, conversation, place, send, revision)
    new = [reply] if place.question else [question, reply]
    resolved = _resolved(reply.model)
    turn = Turn(
        conversation=conversation,
        reply=reply,
        author=user,
        credential_id=getattr(resolved, "credential_id", None),
        api_key_id=api_key_id,
        idempotency_key=send.idempotency_key,
        send_digest=send.digest if send.idempotency_key else "",
        worker=worker_name(),
    )
    changes: dict[str, Any] = {
        # Whose agent it stays is the owner's choice alone.
        **({"agent": agent} if conversation.owner_id == user.pk else {}),
        "active_leaf": reply,
        "archived_at": None,
        "last_message_at": reply.created_at,
        "last_message_preview": one_line(question.text, PREVIEW_LENGTH),
    }
    title = None
    if found:
        _touch(found, changes, added=len(new))
    else:
        title = one_line(question.text, TITLE_LENGTH)
        for name, value in {**changes, "title": title, "message_count": 2}.items():
            setattr(conversation, name, value)
    insert_together(*([] if found else [conversation]), *new, turn)
    if found:  # else nobody else may see it yet
        tell_started(turn)
    build = cache(
        partial(_build, user, conversation, place, question, revision, reply, resolved)
    )
    # Last, because many wait for the rows it locks.
    grant = reserve_for(turn, agent.pk, reply.model, build)
    return _Started(
        turn, conversation, place, question, reply, agent, revision, title, build, grant
    )


def _messages(
    user: User,
    conversation: Conversation,
    place: Place,
    send: Send,
    revision: AgentRevision,
) -> tuple[Message, Message]:
    """The question, which may be there already, and the reply to be written."""
    moment = place.moment()
    question = place.question or Message(
        **({"pk": send.message_id} if send.message_id else {}),
        conversation=conversation,
        parent=place.parent,
        role=Message.Role.USER,
        author=user,
        text=send.text,
        parts=[{"type": "text", "text": send.text}],
        created_at=moment,
    )
    wish = send.wish if send.trigger == "regenerate" else ""
    reply = Message(
        conversation=conversation,
        parent=question,
        role=Message.Role.ASSISTANT,
        status=Message.Status.PENDING,
        model=send.model or revision.model,
        agent_revision=revision,
        wish=wish,
        wish_about=place.before.pk if wish and place.before else "",
        # What is continued is in the new reply from the start: a process that dies
        # loses none of it.
        text=place.partial,
        parts=[{"type": "text", "text": place.partial}] * bool(place.partial),
        created_at=moment + timedelta(microseconds=1),
    )
    return question, reply


def _resolved(model: str) -> Resolved | Exception:
    """The failure instead, where the model cannot be asked; the turn will tell it."""
    try:
        return resolve_model(model)
    except LLMError as error:
        return error


def _build(
    user: User,
    conversation: Conversation,
    place: Place,
    question: Message,
    revision: AgentRevision,
    reply: Message,
    resolved: Resolved | Exception,
) -> Prompt:
    if isinstance(resolved, Exception):
        raise resolved
    return prompting.build(
        conversation,
        question,
        revision,
        resolved,
        user,
        reply=reply,
        partial=reply.text,
    )


def _touch(conversation: Conversation, changes: dict[str, Any], *, added: int) -> None:
    """Before its new leaf exists, which is checked at the commit."""
    Conversation.objects.filter(pk=conversation.pk).update(
        **changes,
        message_count=F("message_count") + added,
        updated_at=timezone.now(),
    )


def _plan(user: User, rows: _Started) -> TurnPlan:
    """After the commit: whatever is wrong with the prompt, the question is kept and
    the turn ends as failed."""
    prompt: Prompt | None = None
    failure: Exception | None = None
    grant = rows.grant
    try:
        prompt = grant.limited(rows.build())
        grant = grant.priced(prompt)
    except Exception as error:  # noqa: BLE001  # the runner tells and logs it
        failure = error
    return TurnPlan(
        scope=scope(),
        turn_id=rows.turn.pk,
        conversation_id=rows.conversation.pk,
        user_message_id=rows.question.pk,
        reply_id=rows.reply.pk,
        user_id=user.pk,
        api_key_id=rows.turn.api_key_id,
        agent_id=rows.agent.pk,
        agent_slug=rows.agent.slug,
        model=rows.reply.model,
        # Whoever chose a model wants that one.
        fallbacks=tuple(
            rows.revision.fallbacks if rows.reply.model == rows.revision.model else ()
        ),
        new_title=rows.new_title,
        message_length=len(rows.question.text),
        partial=rows.reply.text,
        prompt=prompt,
        failure=failure,
        grant=grant,
        wanted=wanted_tools(rows.revision.tools) if prompt else NO_TOOLS,
        max_steps=rows.revision.parameters.get("max_steps", MAX_STEPS),
    )


def _locked(user: User, send: Send) -> Conversation | None:
    """The conversation, locked so that one turn at a time looks at it; None if it is
    to be made."""
    if send.conversation_id is not None:
        mine = Conversation.objects.writable_by(user).select_for_update()
        found = mine.filter(pk=send.conversation_id).first()
        if found is not None:
            return found
        if Conversation.objects.filter(pk=send.conversation_id).exists():
            # Somebody else's, or made by ourselves between the two looks.
            if found := mine.filter(pk=send.conversation_id).first():
                return found
            raise refusal(user, send.conversation_id)
    if send.trigger != "submit" or send.parent_id or send.target_id:
        raise NotFoundError("There is no such conversation.")
    return None


def _visible_agents(is_active: bool, role: str) -> AgentQuerySet:
    """To a person like this one; hole 0 is its key."""
    user = User(pk=hole(0), is_active=is_active, role=role)
    return Agent.objects.visible_to(user).select_related("revision")


_AGENT_BY_ID = Prepared(
    lambda *shape: _visible_agents(*shape).filter(pk=hole(1)).order_by()[:1]
)
_FIRST_AGENT = Prepared(lambda *shape: _visible_agents(*shape).in_order()[:1])


def _agent(
    user: User, send: Send, conversation: Conversation | None
) -> tuple[Agent, AgentRevision]:
    shape = (user.is_active, user.role)
    if send.agent is not None:
        visible = Agent.objects.visible_to(user).select_related("revision")
        chosen = visible.by_reference(send.agent).first()
        if chosen is None:
            raise NotFoundError("There is no such agent.")
    else:
        agent_id = conversation.agent_id if conversation else None
        chosen = (
            _AGENT_BY_ID.first(user.pk, agent_id, shape=shape) if agent_id else None
        ) or _FIRST_AGENT.first(user.pk, shape=shape)
    if chosen is None or chosen.revision is None:
        raise NoAgentError
    if send.model is not None and not Provider.objects.offers(send.model):
        raise InvalidMessageError(_("That model is not offered here."))
    return chosen, chosen.revision
