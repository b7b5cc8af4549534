"""Asks a model for a conversation's title, after the turn that made its first reply is
stored. Nothing waits for it; where it fails, the title stays the cut first message.
"""

from __future__ import annotations

import time
from contextlib import aclosing

import structlog

from chat.services.titling import (
    TitleCall,
    cleaned,
    record,
    store_title,
    title_call,
)
from chat.turns.plan import Outcome, Settled, TurnPlan
from llm.client import Client
from llm.errors import LLMError
from llm.events import Finished, TextDelta, ToolCalled, Usage
from llm.tokens import estimate_usage
from tenants.db import unit
from usage.metering import Meter

logger = structlog.get_logger(__name__)


async def make_title(
    client: Client, plan: TurnPlan, outcome: Outcome, settled: Settled
) -> None:
    """Make and store a title if the tenant wants one and this reply is the first. Never
    raises: it is the edge of a detached task."""
    if outcome.status != "done" or not settled.title_model:
        return
    log = logger.bind(conversation=plan.conversation_id, turn=plan.turn_id)
    try:
        call = await unit(plan.scope, title_call, plan, settled.title_model)
        if call is not None:
            await _make(client, plan, call)
    except LLMError as error:
        # Not its detail, which may repeat what was said.
        log.warning("title failed", code=error.code)
    except Exception:
        log.exception("title failed")


async def _make(client: Client, plan: TurnPlan, call: TitleCall) -> None:
    """Raises LLMError, when what was used has been recorded."""
    start = time.monotonic()

    def duration() -> int:
        return round((time.monotonic() - start) * 1000)

    try:
        answer, usage = await _ask(client, call)
    except LLMError as error:
        await unit(
            plan.scope,
            record,
            plan=plan,
            call=call,
            usage=error.partial_usage or Usage(0, 0),
            status="failed",
            duration_ms=duration(),
        )
        raise
    await unit(
        plan.scope,
        store_title,
        plan=plan,
        call=call,
        title=cleaned(answer),
        usage=usage,
        duration_ms=duration(),
    )


async def _ask(client: Client, call: TitleCall) -> tuple[str, Usage]:
    pieces: list[str] = []
    written: list[str] = []
    prompt = call.prompt
    meter = Meter(call.grant.reply_tokens, prompt.model)
    async with aclosing(client.stream(prompt)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return "".join(pieces), event.usage
            if isinstance(event, ToolCalled):  # it was offered none
                continue
            if isinstance(event, TextDelta):
                pieces.append(event.text)
            written.append(event.text)
            if meter.is_over(event.text):
                break
    usage = estimate_usage(prompt.messages, "".join(written), prompt.model)
    return "".join(pieces), usage
