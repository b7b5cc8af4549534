"""A question to a draft of an agent, answered once: no conversation is stored, but what
it used is charged to whoever tried."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from agents.asking import client
from agents.models import Agent
from agents.resolving import resolve_model
from agents.services.revisions import draft_revision
from chat import prompting
from chat.errors import InvalidMessageError, NotFoundError, TooLargeError
from chat.ids import VALID, new_id
from chat.models import Conversation, Message
from chat.services.settling import settle_calls
from chat.turns.codec import storable
from llm import tokens
from llm.client import Prompt
from llm.errors import LLMError
from llm.events import Finished, ReasoningDelta, TextDelta, ToolCalled, Usage
from tenants.db import release
from usage.metering import Meter
from usage.models import UsageRecord
from usage.pricing import UnitPrice, cost_of
from usage.services import CallMade, Grant, Subject, record_calls, reserve_call

# Somebody waits in front of a page for the whole answer.
_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Tried:
    """`failure` after whatever had come by then."""

    model: str
    text: str
    reasoning: str
    usage: Usage
    price: UnitPrice | None
    cost: Decimal | None
    duration_ms: int
    failure: LLMError | None


def try_agent(
    *,
    agent: Agent,
    user: User,
    message: str = "",
    message_id: str = "",
    api_key_id: int | None = None,
    **draft: Any,
) -> Tried:
    """Ask the agent as `draft` would change it: fields of a revision. Asked is either
    `message` or a past question, with all that was said before it.

    Waits for the answer, without a connection to the database. Raises django's
    ValidationError for a draft that could not be saved, InvalidMessageError,
    NotFoundError and TooLargeError, BudgetExceededError, and LLMError for a model that
    cannot be asked.
    """
    if message and message_id:
        raise InvalidMessageError("Give a message or the id of one, not both.")
    question = _past(user, message_id) if message_id else _new(user, message)
    with transaction.atomic():
        revision = draft_revision(agent.revision, **draft)
    prompt = prompting.build(
        question.conversation, question, revision, resolve_model(revision.model), user
    )
    total = min(prompt.timeouts.total, _SECONDS)
    prompt = replace(prompt, timeouts=replace(prompt.timeouts, total=total))
    subject = Subject(
        user_id=user.pk,
        agent_id=agent.pk,
        api_key_id=api_key_id,
        model=revision.model,
        turn_id=new_id(),
    )
    lapses_at = timezone.now() + timedelta(seconds=2 * total)
    grant = reserve_call(subject=subject, prompt=prompt, lapses_at=lapses_at)
    release()
    tried = async_to_sync(_answer)(grant.limited(prompt), revision.model, grant)
    _record(subject, tried)
    return tried


def _new(user: User, message: str) -> Message:
    if not message.strip():
        raise InvalidMessageError("The message is empty.")
    if len(message.encode()) > settings.TURN_MAX_MESSAGE_BYTES:
        raise TooLargeError(
            f"A message may have {settings.TURN_MAX_MESSAGE_BYTES // 1024} KiB."
        )
    unsaved = Conversation(owner=user)
    return Message(conversation=unsaved, role=Message.Role.USER, text=message)


def _past(user: User, message_id: str) -> Message:
    """Of those this person may read."""
    asked = Message.objects.visible_to(user).filter(role=Message.Role.USER)
    known = asked.select_related("conversation").filter(pk=message_id)
    found = known.first() if VALID.match(message_id) else None
    if found is None:
        raise NotFoundError("There is no such question.")
    return found


async def _answer(prompt: Prompt, model: str, grant: Grant) -> Tried:
    text: list[str] = []
    reasoning: list[str] = []
    usage: Usage | None = None
    failure: LLMError | None = None
    meter = Meter(grant.reply_tokens, prompt.model)
    started = time.monotonic()
    try:
        async with aclosing(client().stream(prompt)) as events:
            async for event in events:
                match event:
                    case Finished():
                        usage = event.usage
                        break
                    case TextDelta():
                        text.append(event.text)
                    case ReasoningDelta():
                        reasoning.append(event.text)
                if not isinstance(event, ToolCalled) and meter.is_over(event.text):
                    break
    except LLMError as error:
        failure, usage = error, error.partial_usage
    said, thought = storable("".join(text)), storable("".join(reasoning))
    if usage is None:
        usage = Usage(0, 0)  # it failed before its first token
        if said or thought:
            usage = tokens.estimate_usage(prompt.messages, thought + said, prompt.model)
    return Tried(
        model=model,
        text=said,
        reasoning=thought,
        usage=usage,
        price=grant.price,
        cost=cost_of(usage, grant.price),
        duration_ms=round((time.monotonic() - started) * 1000),
        failure=failure,
    )


@transaction.atomic
def _record(subject: Subject, tried: Tried) -> None:
    made = CallMade(
        subject=subject,
        usage=tried.usage,
        price=tried.price,
        kind=UsageRecord.Kind.TRY,
        status="failed" if tried.failure else "done",
        duration_ms=tried.duration_ms,
    )
    record_calls(made)
    settle_calls(subject)
