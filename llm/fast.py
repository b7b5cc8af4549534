"""The client that takes the fastest lane it can: our own reader, or LiteLLM.

llm.lanes says which provider takes which lane, llm.plan prepares the requests,
llm.session has the connections, llm.sse and llm.parsers read the answers.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import aiohttp

from llm import _litellm, errors, network, session, tokens
from llm.client import (
    Client,
    Endpoint,
    LiteLLMClient,
    Parameters,
    Prompt,
    check,
)
from llm.clock import Clock, DeadlineError
from llm.events import Event, Finished, Usage
from llm.exchange import Exchange
from llm.lanes import Lane, Lanes
from llm.parsers import NOTHING, Delta, Parser
from llm.plan import Planner, Request
from llm.prompt import text_of_calls, with_ids_for, without_calls
from llm.reasons import reason_of, with_calls
from llm.reply import Reply
from llm.sse import Chunk, Reader
from llm.suiting import suited

# Calls under way at once in one process; past it a call is refused.
LIMIT: Final = 2000
# Bytes and seconds for the body of an error answer.
_ERROR_BYTES: Final = 64 * 1024
_ERROR_SECONDS: Final = 5.0
_NO_CHUNK: Final[Chunk] = {}


class FastClient:
    """A `Client`; one for all tenants.

    `lanes` forces providers to lanes (see `llm.lanes.Lanes`); `limit` bounds the calls
    that are under way at once in this process. Without `private_addresses` only the
    provider "local" is reached in a private network.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane | str] | None = None,
        *,
        limit: int = LIMIT,
        private_addresses: bool = True,
    ) -> None:
        self._planner = Planner(Lanes(lanes))
        self._slow: Client = LiteLLMClient(private_addresses=private_addresses)
        self._limit = limit
        self._private_addresses = private_addresses

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        """See `Client.stream`."""
        check(prompt)
        prompt = _readable(prompt)
        prepared = await self._prepare(prompt)
        if prepared is None:
            async with aclosing(self._slow.stream(prompt)) as events:
                async for event in events:
                    yield event
            return
        pool = session.connections()
        if pool.open >= self._limit:
            raise errors.ProviderUnavailable(
                f"{pool.open} calls are under way", retry_after=1
            )
        request, parser = prepared
        guarded = not self._private_addresses and prompt.endpoint.provider != "local"
        call = _Call(prompt, parser)
        pool.open += 1
        try:
            answer = await call.open(pool, request, guarded=guarded)
            del request, prepared  # which may be long, and have been sent
            clock, reader, reply = call.clock, Reader(), call.reply
            deltas: Sequence[Delta] = NOTHING
            block, chunk = b"-", _NO_CHUNK
            while block and not (parser.complete or reader.done or reply.full):
                clock.waiting = True
                block = await answer.read()  # b"" at the end
                clock.waiting = False
                for chunk in reader.feed(block) if block else reader.close():
                    deltas = parser.feed(chunk)
                    for delta in deltas:
                        if (text := reply.take(delta.text)) == delta.text:
                            yield delta
                        elif text:
                            yield replace(delta, text=text)
                    if reply.full:
                        break
                chunk = _NO_CHUNK  # weighs as much as a hundred tokens of text
                clock.note(
                    reply.text.count + parser.calls.pieces,
                    parser.raw_reason is not None and not deltas,
                )
            if reader.failure is not None:
                raise reader.failure
        except errors.LLMError:
            raise
        except Exception as failure:  # noqa: BLE001  the provider decides what breaks
            await call.survive(failure)
        else:
            call.ended = not reply.full
        finally:
            pool.open -= 1
            call.close(pool)
        for event in await call.finish():
            yield event

    async def _prepare(self, prompt: Prompt) -> tuple[Request, Parser] | None:
        """The request and a reader of its answer; None when LiteLLM has to send it."""
        if not _litellm.is_loaded():
            await asyncio.to_thread(_litellm.preload)
        plan = self._planner.plan(
            prompt.endpoint,
            prompt.model,
            suited(prompt.endpoint.provider, prompt.model, prompt.parameters),
            prompt.tools,
        )
        if plan.lane is Lane.LITELLM:
            return None
        try:
            return await plan.prepare(prompt.messages), plan.parser()
        except Exception as failure:  # noqa: BLE001  LiteLLM raises anything
            self._planner.warn(plan.provider, "prepared", failure)
            return None

    def lane_of(
        self,
        provider: str,
        model: str,
        parameters: Parameters | None = None,
        base_url: str | None = None,
    ) -> Lane:
        """The lane that calls of such an agent take; for admin pages.

        Imports litellm at the first call of a process, which takes seconds.
        """
        endpoint = Endpoint(provider, None, base_url)
        return self._planner.plan(endpoint, model, parameters or {}).lane

    async def aclose(self) -> None:
        """Close the connections kept for the running event loop; for shutdown."""
        await session.close_connections()
        await _litellm.close_connections()


def warm() -> None:
    """Do now what a first call would wait for; meant for a thread.

    LiteLLM imports a provider's code when it is first used, and reading the machine's
    certificates takes time.
    """
    session.tls_context()
    planner = Planner(Lanes())
    for provider in ("openai", "anthropic", "gemini", "openrouter", "ollama_chat"):
        planner.plan(Endpoint(provider, "none"), "some-model", {"temperature": 1})


class _Call:
    """One call on a connection of ours: its state, its end, its failures."""

    def __init__(self, prompt: Prompt, parser: Parser) -> None:
        self.ended = False
        self._prompt = prompt
        self._parser = parser
        self.reply = Reply(prompt.parameters)
        self.clock = Clock(prompt.timeouts)
        self._answer: Exchange | None = None

    async def open(
        self, pool: session.Connections, request: Request, *, guarded: bool
    ) -> Exchange:
        """The answer, when it is one; raises `LLMError` when it is not."""
        timeouts = self._prompt.timeouts
        try:
            async with asyncio.timeout_at(self.clock.at):
                self._answer = answer = await pool.post(
                    request.url,
                    request.headers,
                    request.body,
                    timeouts.connect,
                    guarded=guarded,
                )
        except aiohttp.ConnectionTimeoutError:
            raise  # is a TimeoutError too, and another matter
        except TimeoutError:
            raise DeadlineError from None
        if answer.status >= 300:
            raise network.refusal(
                answer.status,
                answer.headers,
                await beginning(answer),
                secret=self._prompt.endpoint.api_key,
            ) from None
        self.clock.watch(answer)
        return answer

    async def survive(self, failure: Exception) -> None:
        """Raise the error for what broke the call; after its finish nothing does."""
        if self._parser.raw_reason is not None:
            return
        usage = await self._spent()
        if isinstance(failure, DeadlineError):
            raise errors.ProviderTimeout(
                "no progress before our deadline", partial_usage=usage
            ) from None
        raise network.failure(
            failure,
            started=self._answer is not None,
            secret=self._prompt.endpoint.api_key,
            partial_usage=usage,
        ) from None

    async def finish(self) -> Sequence[Event]:
        """The tool calls and the last event; raises `ProviderIncomplete` when there is
        no finish."""
        parser = self._parser
        if parser.raw_reason is None and not self.reply.full:
            raise errors.ProviderIncomplete(
                "the stream ended without a finish reason",
                partial_usage=await self._spent(),
            )
        usage = parser.usage or await self._estimate()
        model = parser.model or self._prompt.model
        calls = parser.calls.all()
        reason = "length" if self.reply.full else reason_of(parser.raw_reason)
        reason = with_calls(reason, bool(calls))
        finished = Finished(
            reason, parser.raw_reason, usage, model, parser.thoughts.echo()
        )
        return [*(calls if reason == "tool-calls" else ()), finished]

    def close(self, pool: session.Connections) -> None:
        """Stop the clock and be done with the connection, whatever happened."""
        self.clock.stop()
        if self._answer is not None:
            pool.leave(self._answer, ended=self.ended)

    async def _spent(self) -> Usage | None:
        if self._parser.usage is not None:
            return self._parser.usage
        if (
            self.reply.text.count
            or self._parser.calls
            or self._parser.prompt_usage is not None
        ):
            return await self._estimate()
        return None

    async def _estimate(self) -> Usage:
        """Counted by us, but for the prompt when the provider has counted it."""
        prompt = self._prompt
        counted = await asyncio.to_thread(
            tokens.estimate_usage,
            prompt.messages,
            str(self.reply.text) + text_of_calls(self._parser.calls.all()),
            prompt.model,
            prompt.tools,
        )
        known = self._parser.prompt_usage
        if known is None:
            return counted
        return replace(
            counted,
            prompt_tokens=known.prompt_tokens,
            cached_tokens=known.cached_tokens,
        )


def _readable(prompt: Prompt) -> Prompt:
    """With the history in the shape that its provider takes."""
    told = prompt.messages if prompt.tools else without_calls(prompt.messages)
    return replace(prompt, messages=with_ids_for(prompt.endpoint.provider, told))


async def beginning(answer: Exchange) -> bytes:
    """As much of an error's body as is worth reading; less when it breaks or stalls."""
    body = bytearray()
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_ERROR_SECONDS):
            while len(body) < _ERROR_BYTES and (block := await answer.read()):
                body += block
    return bytes(body[:_ERROR_BYTES])
