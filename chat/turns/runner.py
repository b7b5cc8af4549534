"""Runs the turns of this process, apart from any request.

A turn's task starts in a fresh context that knows its tenant, reads the provider,
feeds the log, and at the end stores the reply. A reader that leaves changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from django.utils.module_loading import import_string

from chat import announcements
from chat.errors import BusyError
from chat.services.finishing import finish_turn, mark_streaming
from chat.turns.events import Aborted, Completed, Errored, Opened, Titled, TurnEvent
from chat.turns.log import TurnLog
from chat.turns.plan import Outcome, Settled, TurnPlan
from llm.client import Client
from llm.errors import LLMError
from llm.events import Finished, ReasoningDelta, TextDelta, Usage
from tenants.db import Scope, detached, unit

logger = structlog.get_logger(__name__)

# A finished turn can be replayed for this long, for readers that come just too late.
REPLAYABLE_SECONDS = 3.0
# Waits between attempts to store an ended turn; about a minute in all.
_RETRIES = (0.2, 0.5, 1, 2, 4, 8, 15, 15, 15)
_INTERNAL = Errored("internal_error", "Something went wrong here. Please try again.")


class LiveTurn:
    """A turn that this process runs, or ran a moment ago."""

    def __init__(self, plan: TurnPlan) -> None:
        self.plan = plan
        self.log = TurnLog()
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.finished: Finished | None = None
        self.started = time.monotonic()
        self.first_token: float | None = None
        self.first_token_at: datetime | None = None
        self.ending: str = ""
        self.producer: asyncio.Task[None] | None = None
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

    def take(self, event: TextDelta | ReasoningDelta) -> None:
        if self.first_token is None:
            self.first_token = time.monotonic()
            self.first_token_at = timezone.now()
        kept = self.text if isinstance(event, TextDelta) else self.reasoning
        kept.append(event.text)
        self.log.append(event)

    def end(self, ending: str) -> None:
        """Ask it to end as "stopped" or "interrupted"; the first word counts."""
        self.ending = self.ending or ending
        if self.producer is not None:
            self.producer.cancel()


class Runner:
    """One per process. `client` is how models are reached."""

    def __init__(self, client: Client, *, limit: int) -> None:
        self.client = client
        self.limit = limit
        self._live: dict[tuple[str, str], LiveTurn] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._running = 0

    async def start(
        self, target: Scope, commit: Callable[[], TurnPlan]
    ) -> tuple[TurnPlan, TurnLog]:
        """Commit a turn in a database unit and begin it.

        Both or neither, also when the caller is cancelled on the way: a client may
        leave while its message is being stored. Raises what `commit` raises, and
        BusyError when this process runs as many turns as it may.
        """
        if self._running >= self.limit:
            raise BusyError
        self._running += 1
        task = asyncio.get_running_loop().create_task(
            self._begin(target, commit), context=detached(target)
        )
        self._keep(task)
        live = await asyncio.shield(task)
        return live.plan, live.log

    def log_of(self, scope: Scope, conversation_id: str) -> TurnLog | None:
        """The log of the turn that runs, or just ran, in a conversation."""
        live = self._live.get((scope.schema_name, conversation_id))
        return live.log if live else None

    def stop(self, scope: Scope, conversation_id: str) -> None:
        """End the turn that runs here in this conversation, if any."""
        if live := self._live.get((scope.schema_name, conversation_id)):
            live.end("stopped")

    async def shut_down(self, grace: float) -> None:
        """Let turns finish for `grace` seconds, then save the rest as interrupted."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for live in list(self._live.values()):
            live.end("interrupted")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _begin(self, target: Scope, commit: Callable[[], TurnPlan]) -> LiveTurn:
        try:
            live = LiveTurn(await unit(target, commit))
        except BaseException:
            self._running -= 1
            raise
        self._live[target.schema_name, live.plan.conversation_id] = live
        self._keep(asyncio.create_task(self._supervise(live)))
        return live

    def _keep(self, task: asyncio.Task[Any]) -> None:
        """A strong reference; the loop itself holds none."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _supervise(self, live: LiveTurn) -> None:
        plan = live.plan
        bound = logger.bind(
            user=plan.user_id,
            conversation=plan.conversation_id,
            turn=plan.turn_id,
            agent=plan.agent_slug,
            model=plan.model,
        )
        bound.info("turn started", message_length=plan.message_length)
        try:
            outcome, last = await self._produce(live, bound)
            settled = await _store(plan, outcome, bound)
            live.log.append(last(settled))
            bound.info(
                "turn ended",
                status=outcome.status,
                code=outcome.error_code,
                reason=outcome.reason,
                tokens=settled.usage.total_tokens if settled else None,
                ttft_ms=outcome.ttft_ms,
                duration_ms=outcome.duration_ms,
            )
            await announcements.turn_ended(plan, outcome.status)
        except Exception:  # noqa: BLE001  # the edge of a detached task, logged
            bound.exception("turn failed to end")
            live.log.append(_INTERNAL)
        finally:
            live.log.close()
            self._running -= 1
            asyncio.get_running_loop().call_later(
                REPLAYABLE_SECONDS, self._forget, live
            )

    def _forget(self, live: LiveTurn) -> None:
        key = (live.plan.scope.schema_name, live.plan.conversation_id)
        if self._live.get(key) is live:
            del self._live[key]

    async def _produce(
        self, live: LiveTurn, bound: structlog.stdlib.BoundLogger
    ) -> tuple[Outcome, Callable[[Settled | None], TurnEvent]]:
        """Read the provider to the end, whichever end it is; never raises."""
        live.producer = asyncio.create_task(self._read_provider(live))
        if live.ending:
            live.producer.cancel()
        await asyncio.wait([live.producer])
        if live.finished is not None:
            finished = live.finished
            return _outcome(
                live, "done", reason=finished.reason, usage=finished.usage
            ), lambda settled: Completed(
                finished.reason,
                settled.usage if settled else finished.usage,
                settled.cost if settled else None,
            )
        error = None if live.producer.cancelled() else live.producer.exception()
        if error is None:
            # Cancelled: by a stop, or by the server going down around us.
            stopped = live.ending == "stopped"
            reason = "stopped" if stopped else "interrupted"
            ended = _outcome(live, "stopped" if stopped else "interrupted")
            return ended, lambda settled: Aborted(reason)
        if isinstance(error, LLMError):
            bound.warning(
                "provider failed",
                code=error.code,
                provider_status=error.provider_status,
                detail=error.detail,
            )
            failure = Errored(error.code, error.text)
        else:
            bound.error("turn crashed", exc_info=error)
            failure = _INTERNAL
        usage = error.partial_usage if isinstance(error, LLMError) else None
        failed = _outcome(live, "failed", error_code=failure.code, usage=usage)
        return failed, lambda settled: failure

    async def _read_provider(self, live: LiveTurn) -> None:
        plan = live.plan
        if plan.prompt is None:
            raise plan.failure or AssertionError("a plan without a prompt")
        await _until_read(live.log)
        async with aclosing(self.client.stream(plan.prompt)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    live.finished = event
                    return
                if live.first_token is None:
                    self._note_streaming(plan)
                live.take(event)

    def _note_streaming(self, plan: TurnPlan) -> None:
        """Tell the row in passing: the stream does not wait for the database."""

        async def note() -> None:
            try:
                await unit(plan.scope, mark_streaming, turn_id=plan.turn_id)
            except (OperationalError, InterfaceError):
                logger.warning("first token not noted", turn=plan.turn_id)

        self._keep(asyncio.create_task(note()))


async def _until_read(log: TurnLog) -> None:
    """Let the response start before the provider is called: preparing a call keeps
    the loop busy for some milliseconds. Without any reader go on soon."""
    try:
        async with asyncio.timeout(0.2):
            await log.read_once.wait()
    except TimeoutError:
        return
    await asyncio.sleep(0)


def _outcome(
    live: LiveTurn,
    status: str,
    *,
    usage: Usage | None = None,
    reason: str | None = None,
    error_code: str = "",
) -> Outcome:
    now = time.monotonic()
    first = live.first_token
    return Outcome(
        status=status,  # type: ignore[arg-type]  # callers pass the literals
        text="".join(live.text),
        reasoning="".join(live.reasoning),
        usage=usage,
        reason=reason,  # type: ignore[arg-type]  # as above
        error_code=error_code,
        first_token_at=live.first_token_at if first else None,
        ttft_ms=round((first - live.started) * 1000) if first else None,
        duration_ms=round((now - live.started) * 1000),
    )


async def _store(
    plan: TurnPlan, outcome: Outcome, bound: structlog.stdlib.BoundLogger
) -> Settled | None:
    """Store the end of a turn, patiently: the database may be restarting."""
    for wait in (*_RETRIES, None):
        try:
            return await unit(plan.scope, finish_turn, plan=plan, outcome=outcome)
        except (OperationalError, InterfaceError):
            if wait is None:
                raise
            bound.warning("persistence retried", wait=wait)
            await asyncio.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


@lru_cache(maxsize=1)
def get_runner() -> Runner:
    """The runner of this process, with the client that settings.LLM_CLIENT names."""
    client: Client = import_string(settings.LLM_CLIENT)()
    return Runner(client, limit=settings.TURN_LIMIT)
