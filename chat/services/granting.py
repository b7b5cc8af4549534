"""What the budgets and rates allow a turn that is about to begin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chat.models import Turn
from llm.client import Prompt
from llm.errors import LLMError
from usage.services import Grant, Subject, reserve


def reserve_for(
    turn: Turn, agent_id: int, model: str, build: Callable[[], Prompt]
) -> Grant:
    """Raises what usage.services.reserve raises. `build` makes the turn's call, if that
    can be made. Call it last in the transaction: many wait for the rows it locks."""

    def call() -> Prompt | None:
        try:
            return build()
        except LLMError:  # no call will be made, as the plan will tell
            return None

    subject = Subject(
        user_id=turn.author_id,
        agent_id=agent_id,
        api_key_id=turn.api_key_id,
        model=model,
        turn_id=turn.pk,
    )
    running = partial(_running, turn.author_id)
    return reserve(subject=subject, prompt=call, running=running)


def _running(author_id: int, scope: str) -> int:
    """Turns of everybody, or of one person."""
    running = Turn.objects.running()
    return (running.filter(author=author_id) if scope == "user" else running).count()
