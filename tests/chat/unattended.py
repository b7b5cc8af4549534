"""Turns whose rows are there, but which no process runs."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from chat.models import Turn
from chat.services.recovering import recover_turn
from chat.services.starting import start_turn
from chat.turns.plan import Call, Outcome, Send, TurnPlan
from llm.events import Usage
from tests.chat.talk import Talk
from tests.factories import person


def begun(talk: Talk, name: str = "member") -> TurnPlan:
    """One that no sweeper takes for dead, however long the test takes."""
    plan = start_turn(user=person(talk.tenant, name), send=Send(text="Hello"))
    soon = timezone.now() + timedelta(hours=1)
    Turn.objects.filter(pk=plan.turn_id).update(heartbeat_at=soon)
    return plan


def ended(plan: TurnPlan, usage: Usage) -> Outcome:
    """As the provider reported it."""
    assert plan.prompt is not None
    call = Call(plan.prompt, "Done.", usage, plan.model, plan.grant.price)
    parts = [{"type": "text", "text": "Done."}]
    return Outcome(status="done", parts=parts, calls=(call,))


def take_for_dead(turn_id: str) -> None:
    """What a sweeper does after a long silence. In one transaction, for the sweeper of
    a live server looks for silent turns, too."""
    with transaction.atomic():
        long_ago = timezone.now() - timedelta(hours=1)
        Turn.objects.filter(pk=turn_id).update(heartbeat_at=long_ago)
        assert recover_turn(turn_id=turn_id)
