"""The end of a turn whose process died: what was flushed is kept and counted."""

from __future__ import annotations

from datetime import datetime

from agents.resolving import resolve_model
from chat import prompting
from chat.models import Turn
from chat.services.finishing import finish_turn
from chat.services.progress import read_progress
from chat.turns.codec import to_json
from chat.turns.events import Aborted
from chat.turns.plan import Outcome, TurnPlan
from chat.turns.reporting import TurnReport
from llm.client import Prompt
from llm.errors import LLMError
from llm.events import ReasoningDelta, TextDelta
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
    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    outcome = Outcome(
        status="interrupted",
        # Until it ends the row holds what the reply began with.
        text=text or turn.reply.text,
        reasoning="".join(e.text for e in events if isinstance(e, ReasoningDelta)),
        usage=None,
        first_token_at=turn.first_token_at,
        ttft_ms=_milliseconds(turn, turn.first_token_at),
        duration_ms=_milliseconds(turn, turn.heartbeat_at) or 0,
    )
    plan = _plan(turn)
    settled = finish_turn(
        plan=plan,
        outcome=outcome,
        position=len(events),
        tail=lambda settled: to_json([Aborted("interrupted")]),
    )
    if settled is not None:
        TurnReport(plan).recovered(outcome, settled, turn.worker)
    return settled is not None


def _milliseconds(turn: Turn, moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return max(0, round((moment - turn.created_at).total_seconds() * 1000))


def _plan(turn: Turn) -> TurnPlan:
    """The plan as far as ending needs it, built again from the rows."""
    reply, question = turn.reply, turn.reply.parent
    revision = reply.agent_revision
    prompt: Prompt | None = None
    if question is not None and revision is not None:
        try:
            prompt = prompting.build(
                turn.conversation,
                question,
                revision,
                resolve_model(reply.model),
                turn.author,
                partial=reply.text,
            )
        except LLMError:
            prompt = None  # a provider that cannot be asked was not asked
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
        agent_id=revision.agent_id if revision else turn.conversation.agent_id,
        agent_slug=revision.agent.slug if revision else "",
        model=reply.model,
        new_title=None,
        message_length=0,
        partial=reply.text,
        prompt=prompt,
        failure=None,
        grant=Grant(price=price),
    )
