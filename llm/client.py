"""Ask a model for a reply and get it as events; the one way out of the house.

`Client` is the interface that the stages above are given; `LiteLLMClient` speaks to any
provider through LiteLLM (llm/_stream.py has the stream, llm/_failures.py the errors).
It never retries: a stream that has begun cannot be begun again.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from llm import _failures, _litellm, addresses, catalogue, errors, tokens
from llm._stream import ProviderStream
from llm.events import Event, Finished, ReasoningDelta, TextDelta, Usage
from llm.lanes import route_of
from llm.prompt import Message, text_of_calls, with_ids_for
from llm.reasons import with_calls
from llm.reply import Reply
from llm.suiting import suited

Scalar = str | int | float | bool | None
# A mapping is JSON, such as a response format.
Parameters = Mapping[str, Scalar | Sequence[Scalar] | Mapping[str, Any]]
# {"type": "function", "function": {"name", "description", "parameters": JSON schema}};
# names of letters, digits, "_" and "-" alone, which every provider takes.
Tool = Mapping[str, Any]

# What an agent may set. A closed list, because LiteLLM takes keys, addresses, callbacks
# and mock answers through the same keyword arguments.
PARAMETERS: Final = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "reasoning_effort",
        "verbosity",
        "response_format",
    }
)

# Sent where no key is needed: without one LiteLLM looks into the environment.
NO_KEY: Final = "none"
# Stands for an address that only LiteLLM knows, when asking for the machine's proxy.
_SOMEWHERE: Final = "https://provider.invalid/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is reached.

    `provider` is a name of `catalogue.provider_names()`; "openai_compatible" and
    "local" need a `base_url` (such as http://host:port/v1) and no key.
    """

    provider: str
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to the first piece, between pieces, for the whole reply.

    Only text and reasoning count as pieces; comments and empty chunks do not.
    """

    connect: float = 10.0
    first_token: float = 30.0
    idle: float = 30.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything one call needs; `messages` have `role` and `content`, oldest first,
    and in OpenAI's shape `tool_calls` and results of tools (llm.prompt makes them).

    `parameters` may hold the names of `PARAMETERS`; what the model does not support is
    left out silently, None too, and llm.suiting makes the rest what it takes.
    """

    endpoint: Endpoint
    model: str
    messages: Sequence[Message] = field(repr=False)
    parameters: Parameters = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    tools: Sequence[Tool] = ()


class Client(Protocol):
    """Whoever turns a prompt into events."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        """Deltas, tool calls and then exactly one `Finished`, or an `LLMError` after
        any delta.

        Close it (`contextlib.aclosing`) when leaving early: that ends the provider's
        work. An early end has no `Finished`; `tokens.estimate_usage` tells its cost.
        """
        ...


class LiteLLMClient:
    """A `Client` on `litellm.acompletion`; stateless, one for all tenants.

    Costs about 0.3 ms CPU a chunk and 4 ms a call, nearly all of it LiteLLM's. For
    `private_addresses` see `llm.fast.FastClient`.
    """

    def __init__(self, *, private_addresses: bool = True) -> None:
        self._private_addresses = private_addresses

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        """See `Client.stream`."""
        if not _litellm.is_loaded():
            await asyncio.to_thread(_litellm.preload)
        arguments = _arguments(prompt)
        clock = _Clock(prompt.timeouts)
        reply = Reply(prompt.parameters)
        source: ProviderStream | None = None
        called = 0
        try:
            async with asyncio.timeout_at(clock.deadline):
                source = await self._open(prompt, arguments)
            while not reply.full:
                async with asyncio.timeout_at(clock.deadline):
                    piece = await source.next()
                if piece is None:
                    break
                text, reasoning = piece
                if source.calls.pieces > called:
                    called = source.calls.pieces
                    clock.progress()
                if reasoning := reply.take(reasoning):
                    clock.progress()
                    yield ReasoningDelta(reasoning)
                if text := reply.take(text):
                    clock.progress()
                    yield TextDelta(text)
            if source.raw_reason is None and not reply.full:
                raise errors.ProviderIncomplete(
                    "the stream ended without a finish reason",
                    partial_usage=await _spent(source, prompt, reply),
                )
        except TimeoutError:
            if source is None or source.raw_reason is None:
                raise errors.ProviderTimeout(
                    "no progress before our deadline",
                    partial_usage=await _spent(source, prompt, reply),
                ) from None
        except errors.LLMError:
            raise
        except Exception as failure:  # noqa: BLE001  LiteLLM raises anything
            raise _failures.to_error(
                failure,
                started=source is not None,
                secrets=(prompt.endpoint.api_key,),
                partial_usage=await _spent(source, prompt, reply),
            ) from None
        finally:
            if source is not None:
                await source.aclose()
        usage = source.usage or await _estimate(prompt, reply, source)
        calls = source.calls.all()
        reason = with_calls("length" if reply.full else source.reason, bool(calls))
        if reason == "tool-calls":
            for call in calls:
                yield call
        echo = source.thoughts.echo()
        yield Finished(reason, source.raw_reason, usage, source.model, echo)

    async def _open(self, prompt: Prompt, arguments: dict[str, Any]) -> ProviderStream:
        """The stream, on a connection that may be made."""
        if self._private_addresses or prompt.endpoint.provider == "local":
            return await ProviderStream.open(arguments)
        proxy = addresses.proxy_of(arguments["api_base"] or _SOMEWHERE)
        token = addresses.guarded.set(proxy is None)
        try:
            return await ProviderStream.open(arguments)
        finally:
            addresses.guarded.reset(token)

    async def aclose(self) -> None:
        """Close the connections kept for the running event loop; for shutdown."""
        await _litellm.close_connections()


class _Clock:
    """The moment (loop time) until which the provider may stay silent."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._now = asyncio.get_running_loop().time
        start = self._now()
        self._idle = timeouts.idle
        self._end = start + timeouts.total
        self.deadline = min(start + timeouts.first_token, self._end)

    def progress(self) -> None:
        self.deadline = min(self._now() + self._idle, self._end)


def check(prompt: Prompt) -> None:
    """Raise what can be known to be wrong without a call."""
    endpoint = prompt.endpoint
    provider = endpoint.provider
    if provider not in catalogue.provider_names():
        raise errors.ProviderBadRequest(f"unsupported provider {provider!r}")
    if not endpoint.api_key and provider not in catalogue.KEYLESS:
        raise errors.ProviderKeyMissing(f"no key for {provider!r}")
    if provider in catalogue.OPENAI_COMPATIBLE and not endpoint.base_url:
        raise errors.ProviderBadRequest(f"{provider!r} needs a base_url")
    if unknown := prompt.parameters.keys() - PARAMETERS:
        raise errors.ProviderBadRequest(f"unsupported parameters {sorted(unknown)}")


def _arguments(prompt: Prompt) -> dict[str, Any]:
    """Keyword arguments for `acompletion`."""
    check(prompt)
    endpoint = prompt.endpoint
    provider = endpoint.provider
    if provider in catalogue.OPENAI_COMPATIBLE:
        provider = "openai"
    httpx = importlib.import_module("httpx")  # slow to import, like litellm
    timeouts = prompt.timeouts
    return {
        **suited(endpoint.provider, prompt.model, prompt.parameters),
        "model": f"{provider}/{prompt.model}",
        "messages": [dict(m) for m in with_ids_for(provider, prompt.messages)],
        **({"tools": [dict(tool) for tool in prompt.tools]} if prompt.tools else {}),
        "api_key": endpoint.api_key or NO_KEY,
        # Else LiteLLM takes the operator's address from the environment, and a tenant's
        # key would go there.
        "api_base": endpoint.base_url or route_of(provider).address,
        "timeout": httpx.Timeout(timeouts.total, connect=timeouts.connect),
        "stream": True,
        "stream_options": {"include_usage": True},
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
    }


async def _spent(
    source: ProviderStream | None, prompt: Prompt, reply: Reply
) -> Usage | None:
    if source is not None and source.usage is not None:
        return source.usage
    if reply.text.count or (source is not None and source.calls):
        return await _estimate(prompt, reply, source)
    return None


async def _estimate(
    prompt: Prompt, reply: Reply, source: ProviderStream | None
) -> Usage:
    called = text_of_calls(source.calls.all()) if source is not None else ""
    return await asyncio.to_thread(
        tokens.estimate_usage,
        prompt.messages,
        str(reply.text) + called,
        prompt.model,
        prompt.tools,
    )
