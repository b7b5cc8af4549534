"""Another model for a turn whose own cannot answer."""

from __future__ import annotations

from dataclasses import replace

from agents.resolving import resolve_model
from chat import prompting
from chat.models import Message, Turn
from chat.turns.plan import TurnPlan
from llm.errors import ProviderModelNotFound
from usage.services import price_for


def fallback_plan(plan: TurnPlan, model: str, spent: float) -> TurnPlan:
    """The turn as it goes on with `model`, `spent` seconds after its start.

    Raises LLMError where that model cannot be asked either.
    """
    turn = Turn.objects.select_related(
        "conversation", "author", "reply__parent", "reply__agent_revision"
    ).get(pk=plan.turn_id)
    question, revision = turn.reply.parent, turn.reply.agent_revision
    resolved = resolve_model(model)
    if question is None or revision is None:  # its agent was deleted meanwhile
        raise ProviderModelNotFound(detail="the agent is gone")
    # So that a revoked key ends this turn too, and so that it is counted as this
    # model's if our process dies.
    Message.objects.filter(pk=plan.reply_id).update(model=model)
    turn.credential_id = resolved.credential_id
    turn.save(update_fields=["credential"])
    prompt = prompting.build(
        turn.conversation,
        question,
        revision,
        resolved,
        turn.author,
        partial=plan.partial,
    )
    left = max(prompt.timeouts.total - spent, 1.0)
    prompt = replace(prompt, timeouts=replace(prompt.timeouts, total=left))
    price = price_for(model=model, prompt=prompt, at=turn.created_at)
    grant = plan.grant.moved(price)
    return replace(
        plan, model=model, prompt=grant.limited(prompt), failure=None, grant=grant
    )
