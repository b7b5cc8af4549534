"""One turn while this process runs it."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Literal

from django.utils import timezone

from chat.turns.backlog import Backlog
from chat.turns.events import Opened, Titled
from chat.turns.log import Encode, TurnLog
from chat.turns.plan import Outcome, TurnPlan
from llm.errors import LLMError
from llm.events import Finished, FinishReason, ReasoningDelta, TextDelta, Usage

Ending = Literal["stopped", "interrupted"]


class LiveTurn:
    """Its log, its times, and the task that reads the provider."""

    def __init__(self, plan: TurnPlan, encode: Encode) -> None:
        self.plan = plan
        self.log = TurnLog(encode)
        self.backlog = Backlog(self.log)
        self.finished: Finished | None = None
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

    def take(self, event: TextDelta | ReasoningDelta) -> bool:
        """Append a piece of the reply; True for the first one."""
        self.log.append(event)
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
        events = self.log.events
        return Outcome(
            status=status,
            text="".join(e.text for e in events if isinstance(e, TextDelta)),
            reasoning="".join(e.text for e in events if isinstance(e, ReasoningDelta)),
            usage=usage,
            model_answered=self.finished.model if self.finished else "",
            reason=reason,
            error_code=error_code,
            first_token_at=self.first_token_at,
            ttft_ms=self.ttft_ms,
            duration_ms=round(self.seconds * 1000),
        )
