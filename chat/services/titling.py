"""A conversation's title by a model: what the model is asked, and storing what it
answers. chat.turns.titling asks it, after the first reply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.resolving import resolve_model
from chat.models import TITLE_LENGTH, Conversation, Message, one_line
from chat.services.progress import notify
from chat.services.settling import settle_calls
from chat.services.telling import listeners_of
from chat.turns.codec import storable
from chat.turns.plan import TurnPlan
from llm.client import Prompt, Timeouts
from llm.events import Usage
from usage.errors import BudgetExceededError
from usage.models import UsageRecord
from usage.services import CallMade, Grant, Subject, record_calls, reserve_call

SECONDS = 15.0
# After which nobody works on it any more.
_LAPSES = timedelta(seconds=4 * SECONDS)
_MAX_TOKENS = 30
# So much of question and reply is enough to name a conversation.
_EXCERPT = 2_000
_SYSTEM = (
    "Write a title of at most six words for the conversation that follows, in its "
    "language. Answer with the title alone, without quotes."
)
_DRESS = "\"'`*_#“”„«»\u2018\u2019 \t"


@dataclass(frozen=True, slots=True)
class TitleCall:
    """A call to be made. `model` is `<provider name>/<model>`."""

    model: str
    prompt: Prompt
    grant: Grant


def title_call(plan: TurnPlan, model: str) -> TitleCall | None:
    """None where no title is wanted: a person has set it, this was not the first reply,
    or a budget has no room for it. Raises LLMError for a model that cannot be asked."""
    unnamed = Conversation.objects.filter(pk=plan.conversation_id, title_set_at=None)
    if not unnamed.exists():
        return None
    messages = Message.objects.filter(conversation=plan.conversation_id)
    replies = messages.filter(
        role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE
    )
    if list(replies.values_list("pk", flat=True)[:2]) != [plan.reply_id]:
        return None
    texts = dict(
        messages.filter(pk__in=[plan.user_message_id, plan.reply_id]).values_list(
            "role", "text"
        )
    )
    endpoint, bare_model, _ = resolve_model(model)
    said = "\n\n".join(
        f"{role.capitalize()}: {texts.get(role, '')[:_EXCERPT]}"
        for role in (Message.Role.USER, Message.Role.ASSISTANT)
    )
    prompt = Prompt(
        endpoint=endpoint,
        model=bare_model,
        messages=[
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": said},
        ],
        parameters={"max_tokens": _MAX_TOKENS},
        timeouts=Timeouts(
            connect=settings.TURN_CONNECT_TIMEOUT,
            first_token=SECONDS,
            idle=SECONDS,
            total=SECONDS,
        ),
    )
    try:
        grant = reserve_call(
            subject=_subject(plan, model),
            prompt=prompt,
            lapses_at=timezone.now() + _LAPSES,
        )
    except BudgetExceededError:
        return None
    return TitleCall(model, grant.limited(prompt), grant)


def cleaned(answer: str) -> str:
    """A model's answer as a title; empty where it makes none."""
    line = next((line for line in answer.splitlines() if line.strip(_DRESS)), "")
    line = re.sub(r"^\s*title\s*:", "", line.strip(_DRESS), flags=re.IGNORECASE)
    return one_line(storable(line.strip(_DRESS).removesuffix(".")), TITLE_LENGTH)


@transaction.atomic
def store_title(
    *, plan: TurnPlan, call: TitleCall, title: str, usage: Usage, duration_ms: int
) -> bool:
    """The call goes into the ledger. The title is stored, and told to open pages,
    unless it is empty or a person was quicker; returns whether it was."""
    unnamed = Conversation.objects.filter(pk=plan.conversation_id, title_set_at=None)
    stored = bool(title) and bool(
        unnamed.update(title=title, updated_at=timezone.now())
    )
    if stored:
        notify(
            "titled",
            plan.turn_id,
            conversation=plan.conversation_id,
            title=title,
            **listeners_of(plan.conversation_id),
        )
    record(
        plan=plan,
        call=call,
        usage=usage,
        status="done" if title else "failed",
        duration_ms=duration_ms,
    )
    return stored


@transaction.atomic
def record(
    *, plan: TurnPlan, call: TitleCall, usage: Usage, status: str, duration_ms: int
) -> None:
    """The ledger's row of a title's call, charged to whom the turn is charged."""
    subject = _subject(plan, call.model)
    made = CallMade(
        subject=subject,
        kind=UsageRecord.Kind.TITLE,
        usage=usage,
        price=call.grant.price,
        status=status,
        duration_ms=duration_ms,
    )
    record_calls(made)
    settle_calls(subject)


def _subject(plan: TurnPlan, model: str) -> Subject:
    return Subject(
        user_id=plan.user_id,
        agent_id=plan.agent_id,
        api_key_id=plan.api_key_id,
        model=model,
        conversation_id=plan.conversation_id,
        message_id=plan.reply_id,
        turn_id=plan.turn_id,
    )
