"""Another model for a turn whose own cannot answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings
from django.db import transaction

from agents.resolving import resolve_model
from chat import prompting
from chat.models import Message, Turn
from chat.turns.plan import TurnPlan
from llm.errors import ProviderModelNotFound
from llm.events import Usage
from usage.pricing import UnitPrice
from usage.services import Subject, reserve_call


@transaction.atomic
def fallback_plan(
    plan: TurnPlan,
    model: str,
    spent: float,
    lost: Sequence[tuple[Usage, UnitPrice | None]],
) -> TurnPlan:
    """The turn as it goes on with `model`, `spent` seconds after its start. It may be
    the turn's own model, asked once more.

    What was held of the budgets is held anew, at this model's price and with what its
    failed calls `lost`, which the ledger has not yet. Raises LLMError
    where that model cannot be asked either, BudgetExceededError where it costs more
    than is left; and then nothing has changed.
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
    turn.credential_id = resolved.credential_id
    turn.save(update_fields=["credential"])
    Message.objects.filter(pk=plan.reply_id).update(model=model)
    if model == plan.model and plan.prompt:  # with what tools have said by now
        prompt = replace(plan.prompt, endpoint=resolved.endpoint)
    else:
        prompt = prompting.build(
            turn.conversation,
            question,
            revision,
            resolved,
            turn.author,
            reply=turn.reply,
            partial=plan.partial,
        )
    left = max(settings.TURN_TOTAL_TIMEOUT - spent, 1.0)
    prompt = replace(prompt, timeouts=replace(prompt.timeouts, total=left))
    subject = Subject(
        user_id=plan.user_id,
        agent_id=plan.agent_id,
        api_key_id=plan.api_key_id,
        model=model,
        turn_id=plan.turn_id,
    )
    # Last, because many wait for the rows it locks.
    grant = reserve_call(
        subject=subject, prompt=prompt, priced_at=turn.created_at, lost=lost
    )
    return replace(
        plan,
        model=model,
        prompt=grant.limited(prompt),
        failure=None,
        grant=replace(grant, headers=plan.grant.headers),
    )
