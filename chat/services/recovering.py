"""The end of a turn whose process died: what was flushed is kept and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from agents.resolving import Resolved, resolve_for_counting, resolve_model
from chat import prompting
from chat.models import Turn
from chat.parts import as_json, decided_parts, events_of, parts_of
from chat.services.finishing import TurnEnd, finish_turns
from chat.services.progress import read_progress
from chat.turns.codec import to_json
from chat.turns.events import (
    Aborted,
    CallFailed,
    StepEnded,
    ToolAsked,
    TurnEvent,
)
from chat.turns.plan import Call, Outcome, Spent, TurnPlan
from chat.turns.reporting import TurnReport
from llm.client import Prompt
from llm.errors import LLMError
from llm.events import ReasoningDelta, TextDelta, Usage
from tenants.db import scope
from usage.services import Grant, price_for


def recover_turn(*, turn_id: str) -> bool:
    """End a turn as interrupted, if it runs without a sign of life; True if this call
    did it.

    Reply and ledger hold the text up to the last flush, counted by us.
    """
    turn = (
        Turn.objects.silent()
        .select_related(
            "reply__agent_revision__agent", "reply__parent", "conversation", "author"
        )
        .filter(pk=turn_id)
        .first()
    )
    if turn is None:
        return False
    events = read_progress(turn_id, 0).events
    plan = _plan(turn, has_answered=turn.first_token_at is not None)
    ttft_ms = _milliseconds(turn, turn.first_token_at)
    duration_ms = _milliseconds(turn, turn.heartbeat_at) or 0
    outcome = Outcome(
        status="interrupted",
        # Without a flush the row has what the reply began with.
        parts=decided_parts(
            parts_of(events or events_of(turn.reply.parts)), turn.reply.parts
        ),
        calls=_timed(list(_calls(plan, events)), ttft_ms, duration_ms),
        first_token_at=turn.first_token_at,
        ttft_ms=ttft_ms,
        duration_ms=duration_ms,
    )
    end = TurnEnd(
        plan=plan,
        outcome=outcome,
        position=len(events),
        tail=lambda settled: to_json([Aborted("interrupted")]),
    )
    (settled,) = finish_turns([end])
    if settled is not None:
        TurnReport(plan).recovered(outcome, settled, turn.worker)
    return settled is not None


def _goes_on(turn: Turn) -> bool:
    """Whether an earlier turn wrote the reply's beginning."""
    return turn.reply.turns.exclude(pk=turn.pk).exists()


def _before(turn: Turn) -> Spent | None:
    """What earlier turns of the same reply used."""
    reply = turn.reply
    if not _goes_on(turn):
        return None
    usage = Usage(
        reply.prompt_tokens, reply.completion_tokens, estimated=reply.estimated
    )
    return Spent(usage, reply.cost)


def _calls(plan: TurnPlan, events: Iterable[TurnEvent]) -> Iterator[Call]:
    """What each call wrote; all but the last are counted already. None but failed ones
    where the model cannot have been asked."""
    prompt, price = plan.prompt, plan.grant.price
    # What the reply began with was written by another call.
    left_out = plan.partial
    written: list[str] = []
    for event in events:
        match event:
            case TextDelta(text) if left_out:
                written.append(text.removeprefix(left_out))
                left_out = ""
            case TextDelta(text) | ReasoningDelta(text):
                written.append(text)
            case ToolAsked(_, name, given):
                written.append(name + as_json(given))
            case StepEnded(usage):
                if prompt and usage.total_tokens:  # else a person was asked, no model
                    yield Call(prompt, "".join(written), usage, plan.model, price)
                written = []
            case CallFailed(model, usage, price_then, milliseconds):
                yield Call(
                    prompt,
                    "",
                    usage,
                    model,
                    price_then,
                    duration_ms=milliseconds,
                    failed=True,
                )
    if prompt is not None:
        yield Call(prompt, "".join(written), None, plan.model, price)


def _timed(
    calls: list[Call], ttft_ms: int | None, duration_ms: int
) -> tuple[Call, ...]:
    """With the times of the turn: what no call is known to have taken is the last's."""
    answered = [number for number, call in enumerate(calls) if not call.failed]
    if answered:
        first = answered[0]
        calls[first] = replace(calls[first], ttft_ms=ttft_ms)
    if calls:
        known = sum(call.duration_ms for call in calls[:-1])
        calls[-1] = replace(calls[-1], duration_ms=max(0, duration_ms - known))
    return tuple(calls)


def _milliseconds(turn: Turn, moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return max(0, round((moment - turn.created_at).total_seconds() * 1000))


def _plan(turn: Turn, *, has_answered: bool) -> TurnPlan:
    """The plan as far as ending needs it, built again from the rows."""
    reply, question = turn.reply, turn.reply.parent
    revision = reply.agent_revision
    # Until a turn ends its reply's row holds what the reply began with.
    partial = "" if _goes_on(turn) else reply.text
    prompt: Prompt | None = None
    resolved = _resolved(reply.model, has_answered=has_answered)
    if question is not None and revision is not None and resolved is not None:
        prompt = prompting.build(
            turn.conversation,
            question,
            revision,
            resolved,
            turn.author,
            reply=reply,
            partial=partial,
            continued=_goes_on(turn),
        )
    # As when the turn began, whatever rules came since.
    price = None
    if prompt is not None:
        price = price_for(model=reply.model, prompt=prompt, at=turn.created_at)
    return TurnPlan(
        scope=scope(),
        turn_id=turn.pk,
        conversation_id=turn.conversation_id,
        user_message_id=reply.parent_id or "",
        reply_id=reply.pk,
        user_id=turn.author_id,
        api_key_id=turn.api_key_id,
        # The conversation may have been given to another one since.
        agent_id=revision.agent_id if revision else turn.conversation.agent_id,
        agent_slug=revision.agent.slug if revision else "",
        model=reply.model,
        new_title=None,
        message_length=0,
        partial=partial,
        prompt=prompt,
        failure=None,
        grant=Grant(price=price),
        spent=_before(turn),
    )


def _resolved(model: str, *, has_answered: bool) -> Resolved | None:
    """None where nobody was asked: that could not be, and did not answer."""
    try:
        return resolve_model(model)
    except LLMError:
        return resolve_for_counting(model) if has_answered else None
