"""One turn while this process runs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from django.utils import timezone

from agents.tools.toolbox import Toolbox
from chat.parts import parts_of
from chat.turns.backlog import Backlog
from chat.turns.events import CallFailed, Opened, Recalled, Titled, ToolAsked
from chat.turns.log import Encode, TurnLog
from chat.turns.plan import Call, Outcome, TurnPlan
from llm.client import Prompt
from llm.errors import LLMError
from llm.events import (
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCalled,
    Usage,
)
from llm.prompt import text_of_calls
from llm.reply import Text
from usage.pricing import UnitPrice

Ending = Literal["stopped", "interrupted"]


@dataclass(slots=True)
class Step:
    """One call of a model. `finished` is None until it has said its last word, `lost`
    what was used where it failed instead."""

    prompt: Prompt
    model: str
    price: UnitPrice | None
    text: Text = field(default_factory=Text)
    reasoning: Text = field(default_factory=Text)
    calls: list[ToolCalled] = field(default_factory=list)
    finished: Finished | None = None
    lost: Usage | None = None
    began: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    ended: float | None = None

    def fail(self, used: Usage | None) -> None:
        """It gives no answer; providers charge nothing that they do not report."""
        self.lost = used or Usage(0, 0)
        self.ended = time.monotonic()

    @property
    def duration_ms(self) -> int:
        return self._after(self.ended or time.monotonic())

    @property
    def ttft_ms(self) -> int | None:
        return None if self.first_token is None else self._after(self.first_token)

    def _after(self, moment: float) -> int:
        return round((moment - self.began) * 1000)


class LiveTurn:
    """Its log, its times, and the task that reads the provider."""

    def __init__(self, plan: TurnPlan, encoder: Callable[[], Encode]) -> None:
        self.plan = plan
        self.log = TurnLog(encoder)
        self.backlog = Backlog(self.log)
        self.finished: Finished | None = None
        self.steps: list[Step] = []
        self.toolbox = Toolbox()
        self.ending: Ending | None = None
        self.failure: LLMError | None = None
        self.producer: asyncio.Task[None] | None = None
        # Held by whoever writes this turn's events, so that the flusher and the end
        # of the turn do not write the same ones at once.
        self.writing = asyncio.Lock()
        # Set when its end is stored, or could not be.
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Until this moment (loop time) a reader in another process follows closely.
        self.watched_until = 0.0
        self.first_token_at: datetime | None = None
        # Whether the database knows of the first token.
        self.begun = False
        # When PostgreSQL was last known to have all of it, for the metrics alone.
        self.flushed_at = self._started = time.monotonic()
        self._first_token: float | None = None
        self.log.append(
            Opened(
                message_id=plan.reply_id,
                conversation_id=plan.conversation_id,
                user_message_id=plan.user_message_id,
                agent_id=plan.agent_id,
                model=plan.model,
            )
        )
        if plan.new_title:
            self.log.append(Titled(plan.conversation_id, plan.new_title))
        if plan.partial:
            self.log.append(TextDelta(plan.partial))
        if plan.recalled:
            self.log.append(Recalled(plan.recalled))

    def begin_step(self, prompt: Prompt) -> Step:
        """The plan's model is asked."""
        step = Step(prompt, self.plan.model, self.plan.grant.price)
        if not self.steps:  # waiting for its turn is part of the first
            step.began = self._started
        elif (lost := self.steps[-1].lost) is not None:
            before = self.steps[-1]
            self.log.append(
                CallFailed(before.model, lost, before.price, before.duration_ms)
            )
        self.steps.append(step)
        return step

    def take(self, event: TextDelta | ReasoningDelta | ToolAsked) -> bool:
        """Append a piece of the reply; True for the first one."""
        self.log.append(event)
        step = self.steps[-1]
        if event.__class__ is TextDelta:
            step.text.add(event.text)
        elif isinstance(event, ReasoningDelta):
            step.reasoning.add(event.text)
        if step.first_token is None:
            step.first_token = time.monotonic()
        if self._first_token is not None:
            return False
        self._first_token = step.first_token
        self.first_token_at = timezone.now()
        return True

    def end(self, ending: Ending) -> None:
        """Ask it to end before the provider does; the first word counts."""
        self.ending = self.ending or ending
        if self.producer is not None:
            self.producer.cancel()

    def fail(self, failure: LLMError) -> None:
        """End it with a failure the provider does not know of."""
        if self.ending is None:
            self.failure = failure
            self.end("interrupted")

    @property
    def seconds(self) -> float:
        """How long it runs by now."""
        return time.monotonic() - self._started

    @property
    def ttft_ms(self) -> int | None:
        first = self._first_token
        return None if first is None else round((first - self._started) * 1000)

    def outcome(
        self,
        status: Literal["done", "stopped", "failed", "interrupted"],
        *,
        reason: FinishReason | None = None,
        error_code: str = "",
    ) -> Outcome:
        return Outcome(
            status=status,
            parts=parts_of(self.log.events),
            calls=tuple(self._calls()),
            reason=reason,
            error_code=error_code,
            first_token_at=self.first_token_at,
            ttft_ms=self.ttft_ms,
            duration_ms=round(self.seconds * 1000),
        )

    @property
    def lost(self) -> list[Step]:
        """The calls that failed."""
        return [step for step in self.steps if step.lost is not None]

    def _calls(self) -> Iterator[Call]:
        for step in self.steps:
            yield Call(
                step.prompt,
                f"{step.reasoning}{step.text}{text_of_calls(step.calls)}",
                step.finished.usage if step.finished else step.lost,
                step.model,
                step.price,
                model_answered=step.finished.model if step.finished else "",
                ttft_ms=step.ttft_ms,
                duration_ms=step.duration_ms,
                failed=step.lost is not None,
            )
