"""The steps of one turn: the model is asked, its tools are called, and it is asked
again with what they said, until it calls none any more."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from django.conf import settings

from agents.tools.base import ToolContext, ToolError
from agents.tools.running import call as call_tool
from agents.tools.running import cut, read_arguments
from chat import fitting
from chat.ids import new_id
from chat.parts import DENIED, told_error
from chat.turns.events import (
    ApprovalAsked,
    StepEnded,
    ToolAllowed,
    ToolAnswered,
    ToolAsked,
    ToolDenied,
    ToolFailed,
)
from chat.turns.live import LiveTurn, Step
from chat.turns.reporting import TurnReport
from llm.client import Client, Prompt
from llm.errors import LLMError, ProviderTimeout
from llm.events import (
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCalled,
    Usage,
)
from llm.prompt import (
    Message,
    asked_tools,
    ids_of_calls,
    text_of,
    text_of_calls,
    tool_result,
)
from usage.metering import Meter

# Tools of one turn that work at the same time.
_AT_ONCE: Final = 8
_STOPPED: Final = "The answer was stopped."
_STOP_SECONDS: Final = 1.0
# Bytes that the tools of one turn may say together.
_OUTPUT_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answered:
    """A call and what the model is told about it."""

    call: ToolCalled
    output: str


class Steps:
    """Of one turn. What happens goes into its log."""

    def __init__(self, client: Client, live: LiveTurn, report: TurnReport) -> None:
        self._client = client
        self._live = live
        self._report = report
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._seen: set[str] = set()
        self._room = _OUTPUT_BYTES
        self._meter: Meter | None = None
        self._grant = live.plan.grant

    async def read(self, prompt: Prompt) -> None:
        """Ask the model for the first time and read its answer to the end."""
        await self._read(await self._fitted(prompt))

    async def _fitted(self, prompt: Prompt) -> Prompt:
        """Tools and what they said may be longer than what the model reads."""
        more = prompt.tools or self._live.steps or self._live.plan.decided
        if more and fitting.is_crowded(prompt):
            return await asyncio.to_thread(fitting.refitted, prompt)
        return prompt

    async def _read(self, prompt: Prompt) -> None:
        live = self._live
        step = live.begin_step(prompt)
        grant = live.plan.grant
        if self._meter is None or self._grant is not grant:  # of another model
            self._meter, self._grant = Meter(grant.reply_tokens, prompt.model), grant
        meter = self._meter
        try:
            async with aclosing(self._client.stream(prompt)) as events:
                async for event in events:
                    if isinstance(event, (TextDelta, ReasoningDelta)):
                        if live.take(event):
                            self._report.first_token(live.ttft_ms)
                        if meter.is_over(event.text):
                            return
                    elif isinstance(event, ToolCalled):
                        step.calls.append(event)
                    else:
                        step.finished = event
                        step.ended = time.monotonic()
                        return
        except LLMError as error:
            step.fail(error.partial_usage)
            raise

    async def go_on(self) -> None:
        """After the first answer: call the tools it asks for, and so on to the end."""
        live = self._live
        while True:
            step = live.steps[-1]
            finished = step.finished
            if finished is None:  # at the end of what the budgets allow
                return
            if finished.reason != "tool-calls" or not step.calls:
                live.finished = finished
                return
            calls = self._ask(step.calls)
            results = await self._call_all(calls, last=self._is_last())
            if results is None:
                reason: FinishReason = "length" if self._is_last() else "tool-calls"
                live.finished = replace(finished, reason=reason)
                return
            prompt = await self._fitted(self._next(step, calls, results))
            if self._is_over(step.calls, prompt):
                return
            live.log.append(StepEnded(finished.usage))
            await self._read(prompt)

    async def answer(self) -> None:
        """Do what a person decided on the calls that waited, before the model is asked
        again."""
        live = self._live
        decided = live.plan.decided
        allowed = [call for call, approved in decided if approved]
        for call, approved in decided:
            change = ToolAllowed if approved else ToolDenied
            live.log.append(change(call.call_id))
        done = await self._call_each(allowed)
        outputs = {answered.call.call_id: answered.output for answered in done}
        results = [
            tool_result(call.call_id, outputs.get(call.call_id, DENIED))
            for call, _ in decided
        ]
        if prompt := live.plan.prompt:
            going = self._with(prompt, *results)
            live.plan = replace(live.plan, prompt=going)
        live.log.append(StepEnded(Usage(0, 0)))

    def _is_over(self, calls: Sequence[ToolCalled], prompt: Prompt) -> bool:
        """Whether the budgets allow no further call: what was reserved is for one, so
        that the next one's prompt counts as part of the reply."""
        read = "".join(map(text_of, prompt.messages)) + json.dumps([*prompt.tools])
        return self._meter is not None and self._meter.is_over(
            text_of_calls(calls) + read
        )

    def _is_last(self) -> bool:
        answered = len(self._live.steps) - len(self._live.lost)
        return answered >= self._live.plan.max_steps

    def _ask(self, calls: Sequence[ToolCalled]) -> list[ToolCalled]:
        """Shows the calls; some models use the same id in each answer, which others
        refuse to see."""
        unique: list[ToolCalled] = []
        self._seen |= ids_of_calls(self._live.steps[-1].prompt.messages)
        for call in calls:
            if call.call_id in self._seen:
                call = replace(call, call_id=f"call_{new_id()[-17:]}")
            self._seen.add(call.call_id)
            unique.append(call)
            given = read_arguments(call.arguments)
            self._live.take(ToolAsked(call.call_id, call.name, given))
        return unique

    async def _call_all(
        self, calls: Sequence[ToolCalled], *, last: bool
    ) -> list[Message] | None:
        """The results, None where the turn ends here: at its limit, or because a person
        has to be asked."""
        live = self._live
        if last:
            text = f"Not called: an answer takes at most {len(live.steps)} steps."
            live.log.append(*(ToolFailed(call.call_id, text) for call in calls))
            return None
        waiting = [call for call in calls if self._needs_approval(call)]
        done = await self._call_each([call for call in calls if call not in waiting])
        if waiting:
            live.log.append(
                *(ApprovalAsked(call.call_id, new_id()) for call in waiting)
            )
            return None
        return [tool_result(found.call.call_id, found.output) for found in done]

    def _needs_approval(self, call: ToolCalled) -> bool:
        tool = self._live.toolbox.get(call.name)
        return tool is not None and tool.needs_approval

    async def _call_each(self, calls: Sequence[ToolCalled]) -> list[Answered]:
        """All at once; when the turn is stopped each of them is, and says so."""
        tasks = [asyncio.ensure_future(self._call(call)) for call in calls]
        try:
            return list(await asyncio.gather(*tasks))
        except asyncio.CancelledError:
            try:
                # Nothing may come after the end; but who does not end is left behind.
                await asyncio.wait(tasks, timeout=_STOP_SECONDS)
            finally:
                for task, call in zip(tasks, calls, strict=True):
                    if task.cancelled() or not task.done():
                        self._live.log.append(ToolFailed(call.call_id, _STOPPED))
            raise

    async def _call(self, call: ToolCalled) -> Answered:
        live = self._live
        tool = live.toolbox.get(call.name)
        plan = live.plan
        context = ToolContext(plan.scope, plan.acts_for or plan.user_id)
        started = time.monotonic()
        try:
            if tool is None:
                raise ToolError(f"There is no tool “{call.name[:64]}”.")
            async with self._places:
                left = max(0.0, min(tool.seconds, self._left()))
                limited = replace(tool, seconds=round(left, 1))
                given = read_arguments(call.arguments)
                output = await call_tool(limited, context, given)
                output = cut(output, self._room)
                self._room -= len(output.encode())
        except ToolError as error:
            ms = self._report.tool_called(call.name, started, failed=True)
            live.log.append(ToolFailed(call.call_id, str(error), ms))
            return Answered(call, told_error(str(error)))
        ms = self._report.tool_called(call.name, started, failed=False)
        live.log.append(ToolAnswered(call.call_id, output, ms))
        return Answered(call, output)

    def _left(self) -> float:
        """Seconds until the whole turn has to be over."""
        # Not the prompt's: of one that a fallback or a person's answer has made, the
        # time before it is taken off already.
        return float(settings.TURN_TOTAL_TIMEOUT) - self._live.seconds

    def _next(
        self,
        step: Step,
        calls: Sequence[ToolCalled],
        results: Sequence[Message],
    ) -> Prompt:
        prompt, finished = step.prompt, step.finished
        asked = asked_tools(
            str(step.text),
            [replace(call, arguments=_as_object(call.arguments)) for call in calls],
            provider=prompt.endpoint.provider,
            reasoning=str(step.reasoning),
            echo=finished.echo if isinstance(finished, Finished) else None,
        )
        return self._with(prompt, asked, *results)

    def _with(self, prompt: Prompt, *messages: Message) -> Prompt:
        """The next call, in the time that is left."""
        left = self._left()
        if left <= 0:
            raise ProviderTimeout("the whole turn took too long")
        return replace(
            prompt,
            messages=[*prompt.messages, *messages],
            timeouts=replace(prompt.timeouts, total=left),
        )


def _as_object(arguments: str) -> str:
    """Providers refuse to see again what is no JSON object, even their own model's."""
    return arguments if isinstance(read_arguments(arguments), dict) else "{}"
