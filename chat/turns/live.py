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
from chat.turns.events import Opened, Recalled, Titled, ToolAsked
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

Ending = Literal["stopped", "interrupted"]


@dataclass(slots=True)
class Step:
    """One call of the model. `finished` is None until it has said its last word."""

    prompt: Prompt
    text: Text = field(default_factory=Text)
    reasoning: Text = field(default_factory=Text)
    calls: list[ToolCalled] = field(default_factory=list)
    finished: Finished | None = None
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None


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
        self.over = asyncio.Event()
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
        """The model is asked; again, if it said nothing when it was asked before."""
        if self.steps and self.steps[-1].finished is None:
            self.steps.pop()
        step = Step(prompt)
        if not self.steps:  # waiting for its turn is part of the first
            step.began = self._started
        self.steps.append(step)
        return self.steps[-1]

    def take(self, event: TextDelta | ReasoningDelta | ToolAsked) -> bool:
        """Append a piece of the reply; True for the first one."""
        self.log.append(event)
        if isinstance(event, TextDelta):
            self.steps[-1].text.add(event.text)
        elif isinstance(event, ReasoningDelta):
            self.steps[-1].reasoning.add(event.text)
        if self._first_token is not None:
            return False
        self._first_token = time.monotonic()
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
        usage: Usage | None = None,
        reason: FinishReason | None = None,
        error_code: str = "",
    ) -> Outcome:
        return Outcome(
            status=status,
            parts=parts_of(self.log.events),
            calls=tuple(self._calls(usage)),
            reason=reason,
            error_code=error_code,
            first_token_at=self.first_token_at,
            ttft_ms=self.ttft_ms,
            duration_ms=round(self.seconds * 1000),
        )

    def _calls(self, last: Usage | None) -> Iterator[Call]:
        for step in self.steps:
            usage = step.finished.usage if step.finished else last
            written = f"{step.reasoning}{step.text}{text_of_calls(step.calls)}"
            yield Call(
                step.prompt,
                written,
                usage,
                step.finished.model if step.finished else "",
                round(((step.ended or time.monotonic()) - step.began) * 1000),
            )
