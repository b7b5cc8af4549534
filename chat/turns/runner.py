"""Runs the turns of this process, apart from any request.

A turn's task starts in a fresh context that knows its tenant, reads the provider,
feeds the log, and at the end stores the reply. A reader that leaves changes nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError

from agents.models import LOCAL
from agents.tools.toolbox import open_toolbox
from chat import metrics
from chat.errors import BusyError
from chat.services.falling_back import fallback_plan
from chat.services.finishing import TurnEnd
from chat.turns.events import INTERNAL, Aborted, Completed, Errored, TurnEvent
from chat.turns.live import LiveTurn
from chat.turns.log import Encode
from chat.turns.plan import Outcome, Settled, TurnPlan
from chat.turns.reporting import TurnReport
from chat.turns.steps import Steps
from chat.turns.storing import Storing
from chat.turns.titling import make_title
from llm.client import Client, Prompt
from llm.errors import (
    LLMError,
    ProviderDisabled,
    ProviderError,
    ProviderKeyMissing,
    ProviderModelNotFound,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from llm.events import FinishReason, Usage
from tenants.db import Scope, detached, unit
from usage.errors import BudgetExceededError

# A finished turn can be replayed for this long, for readers that come just too late.
REPLAYABLE_SECONDS = 4.0
# Waits between attempts to store an ended turn: quick at first, then as long as a
# database may take to come back; ten minutes in all.
_RETRIES = (0.2, 0.5, 1, 2, *(3.0,) * 200)
# One more try where nothing was said yet and the fault may pass by itself.
_SECOND_TRY_SECONDS = 0.5
# What another model may not suffer from; a refused or too long prompt it would too.
FALLEN = (
    ProviderDisabled,
    ProviderError,
    ProviderKeyMissing,
    ProviderModelNotFound,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnauthorized,
    ProviderUnavailable,
)


class Runner:
    """One per process. `client` is how models are reached; `encoder` makes, for each
    turn, what encodes its plain stream."""

    def __init__(
        self, client: Client, *, encoder: Callable[[], Encode], limit: int
    ) -> None:
        self.client = client
        self.limit = limit
        self._encoder = encoder
        self._storing = Storing()
        self._turns: dict[tuple[str, str], LiveTurn] = {}
        self._running: set[LiveTurn] = set()
        self._starting = 0
        self._closing = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, target: Scope, commit: Callable[[], TurnPlan]) -> LiveTurn:
        """Commit a turn in a database unit and begin it.

        Both or neither, also when the caller is cancelled on the way: a client may
        leave while its message is being stored. Raises what `commit` raises, and
        BusyError when this process runs as many turns as it may or is going down.
        """
        if self._closing or len(self._running) + self._starting >= self.limit:
            metrics.REFUSED.inc()
            raise BusyError
        task = asyncio.create_task(self._begin(target, commit))
        self._keep(task)
        return await asyncio.shield(task)

    def running(self) -> list[LiveTurn]:
        """The turns of this process whose end is not stored yet."""
        return list(self._running)

    def turn(self, schema_name: str, turn_id: str) -> LiveTurn | None:
        """A turn that this process runs, or ran a moment ago."""
        return self._turns.get((schema_name, turn_id))

    async def shut_down(self, grace: float) -> None:
        """Let turns finish for `grace` seconds, then save the rest as interrupted."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for live in self.running():
            live.end("interrupted")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _begin(self, target: Scope, commit: Callable[[], TurnPlan]) -> LiveTurn:
        self._starting += 1
        try:
            live = LiveTurn(await unit(target, commit), self._encoder)
        finally:
            self._starting -= 1
        self._turns[target.schema_name, live.plan.turn_id] = live
        self._running.add(live)
        context = detached(target)
        # The request's id, so that the turn's log lines are found by it.
        context.run(
            structlog.contextvars.bind_contextvars,
            **structlog.contextvars.get_contextvars(),
        )
        supervising = asyncio.get_running_loop().create_task(
            self._supervise(live), context=context
        )
        self._keep(supervising)
        return live

    def _keep(self, task: asyncio.Task[Any]) -> None:
        """A strong reference; the loop itself holds none."""
        self._tasks.add(task)
        metrics.TASKS.set(len(self._tasks))
        task.add_done_callback(self._drop)

    def _drop(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        metrics.TASKS.set(len(self._tasks))

    async def _supervise(self, live: LiveTurn) -> None:
        plan = live.plan
        report = TurnReport(plan)
        report.started()
        settled: Settled | None = None
        try:
            outcome, ending = await self._produce(live, report)
            report.provider_over()
            async with live.writing:
                settled = await self._store(live, outcome, ending, report)
            live.log.append(ending(settled))
            report.ended(outcome, settled)
        except Exception:  # noqa: BLE001  # the edge of a detached task, logged
            report.lost()
            live.log.append(INTERNAL)
        finally:
            live.log.close()
            self._running.discard(live)
            if not live.over.done():
                live.over.set_result(None)
            asyncio.get_running_loop().call_later(
                REPLAYABLE_SECONDS,
                self._turns.pop,
                (plan.scope.schema_name, plan.turn_id),
                None,
            )
        if settled is not None and not self._closing:
            await make_title(self.client, plan, outcome, settled)

    async def _store(
        self,
        live: LiveTurn,
        outcome: Outcome,
        ending: Callable[[Settled | None], TurnEvent],
        report: TurnReport,
    ) -> Settled | None:
        """Store the end of a turn, patiently: the database may be restarting."""
        for wait in (*_RETRIES, None):
            end = TurnEnd(
                plan=live.plan,
                outcome=outcome,
                position=live.backlog.position,
                tail=lambda settled: live.backlog.rest(ending(settled)),
            )
            try:
                return await self._storing.store(end)
            except (OperationalError, InterfaceError):
                if wait is None:
                    raise
                report.persistence_retried(wait)
                await asyncio.sleep(wait)
            except DatabaseError:
                # Something in it cannot be stored; what a person may lose is the count.
                if all(call.usage is None for call in outcome.calls):
                    raise
                report.usage_not_storable()
                calls = tuple(replace(call, usage=None) for call in outcome.calls)
                outcome = replace(outcome, calls=calls)
        raise AssertionError("the last attempt returns or raises")

    async def _produce(
        self, live: LiveTurn, report: TurnReport
    ) -> tuple[Outcome, Callable[[Settled | None], TurnEvent]]:
        """Read the provider to the end, whichever end it is; never raises."""
        live.producer = asyncio.create_task(self._read_provider(live, report))
        if live.ending:
            live.producer.cancel()
        await asyncio.wait([live.producer])
        if live.finished is not None:
            return _complete(live, live.finished.reason, live.finished.usage)
        error: BaseException | None = live.failure
        if error is None and not live.producer.cancelled():
            error = live.producer.exception()
            if error is None and not live.ending:
                # It ended by itself, at the end of what the budgets allow.
                return _complete(live, "length", None)
        if error is None:
            # Cancelled: by a stop, or by the server going down around us.
            reason = live.ending or "interrupted"
            return live.outcome(reason), lambda settled: Aborted(reason)
        failure = _failure(error, report)
        failed = live.outcome("failed", error_code=failure.code)
        return failed, lambda settled: failure

    async def _read_provider(self, live: LiveTurn, report: TurnReport) -> None:
        await _until_read(live)
        steps = Steps(self.client, live, report)
        if live.plan.wanted.names and live.plan.prompt is not None:
            live.toolbox = await open_toolbox(live.plan.wanted)
        if live.plan.decided and live.plan.prompt is not None:  # else nobody is asked
            await steps.answer()
        try:
            await self._ask(live, steps, report)
        except FALLEN as error:
            if live.first_token_at is not None or not live.plan.fallbacks:
                raise
            if not await self._fall_back(live, steps, report, error):
                raise
        await steps.go_on()

    async def _fall_back(
        self, live: LiveTurn, steps: Steps, report: TurnReport, error: LLMError
    ) -> bool:
        """Ask the agent's other models in turn; False if none of them answers either,
        and then what the first one said is told."""
        first = live.plan
        for model in first.fallbacks:
            report.fell_back(error, model)
            try:
                live.plan = await _held_anew(live, model)
                report.goes_on(live.plan)
                await self._ask(live, steps, report)
            except BudgetExceededError:
                continue  # too dear for what is left
            except FALLEN as next_error:
                if live.first_token_at is not None:
                    raise
                error = next_error
            else:
                return True
        live.plan = first
        report.goes_on(first)
        return False

    async def _ask(self, live: LiveTurn, steps: Steps, report: TurnReport) -> None:
        """Read the plan's model to its end; asked once more if its fault may pass by
        itself and there is no other model."""
        try:
            await steps.read(_prompt(live))
        except (ProviderUnavailable, ProviderError) as error:
            if live.first_token_at is not None or live.plan.fallbacks:
                raise
            report.asked_again(error)
            await asyncio.sleep(_SECOND_TRY_SECONDS)
            if error.partial_usage and live.plan.grant.reply_tokens is not None:
                try:
                    live.plan = await _held_anew(live, live.plan.model)
                except BudgetExceededError:
                    raise error from None
            await steps.read(_prompt(live))


def _prompt(live: LiveTurn) -> Prompt:
    """The plan's call; raises its failure where there can be none."""
    prompt = live.plan.prompt
    if prompt is None:
        raise live.plan.failure or AssertionError("a plan without a prompt")
    if live.toolbox and prompt.endpoint.provider != LOCAL:  # too small for tools
        return replace(prompt, tools=live.toolbox.specs)
    return prompt


async def _held_anew(live: LiveTurn, model: str) -> TurnPlan:
    """The plan with `model`, and the budgets held for what its call may take and what
    failed calls took. Raises what fallback_plan raises."""
    lost = [(step.lost, step.price) for step in live.lost if step.lost]
    return await unit(
        live.plan.scope, fallback_plan, live.plan, model, live.seconds, lost
    )


def _complete(
    live: LiveTurn, reason: FinishReason, usage: Usage | None
) -> tuple[Outcome, Callable[[Settled | None], TurnEvent]]:
    """A reply that may end here, `usage` None where it has to be counted. If it is
    short for want of money or tokens its code says so."""
    out_of_budget = reason == "length" and (usage is None or live.plan.grant.is_cut)
    outcome = live.outcome(
        "done",
        reason=reason,
        error_code=BudgetExceededError.code if out_of_budget else "",
    )
    return outcome, lambda settled: Completed(
        reason,
        settled.usage if settled else usage or Usage(0, 0, estimated=True),
        settled.cost if settled else None,
        live.plan.model,
    )


def _failure(error: BaseException, report: TurnReport) -> Errored:
    if not isinstance(error, LLMError):
        report.crashed(error)
        return INTERNAL
    report.provider_failed(error)
    wait = math.ceil(error.retry_after) if error.retry_after else None
    return Errored(error.code, error.text, wait)


async def _until_read(live: LiveTurn) -> None:
    """Let the response start before the provider is called: preparing a call keeps
    the loop busy for some milliseconds. Without any reader go on soon."""
    try:
        async with asyncio.timeout(0.2):
            await live.log.read_once.wait()
    except TimeoutError:
        return
    await asyncio.sleep(0)
