"""One provider stream as LiteLLM's wrapper yields it, without its work at the end.

LiteLLM's CustomStreamWrapper (litellm_core_utils/streaming_handler.py, read in 1.106.2)
counts all tokens again when a stream ends or breaks, invents a finish reason "stop"
when none came, and hands over the provider's usage only after all that. So a `_Tap`
sits between the provider's stream and the wrapper and leaves with an exception that the
wrapper does not catch; what arrived is then read from the wrapper's fields.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from llm import _litellm
from llm.calls import Calls, Thoughts
from llm.events import FinishReason, Usage
from llm.parsers.middle import usage_of
from llm.reasons import reason_of

# The wrapper keeps all chunks for its work at the end; only the last two are needed.
_KEPT_CHUNKS: Final = 64
# Seconds to wait after the finish reason: for the usage, when it has not come; for the
# end of the response, so that its connection can be used again.
_WAIT_FOR_USAGE: Final = 3.0
_WAIT_FOR_END: Final = 0.1

_closing: Final[set[asyncio.Task[None]]] = set()


class _Left(BaseException):
    """The raw stream ended (`failure` is None) or broke; passes `except Exception`."""

    def __init__(self, failure: Exception | None) -> None:
        super().__init__()
        self.failure = failure


class _Tap:
    """The provider's raw stream, ending with `_Left` instead of the usual ways."""

    def __init__(self, raw: Any, stream: "ProviderStream") -> None:
        self._raw = raw
        self._next = aiter(raw).__anext__
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            wait = self._stream.patience()
            if wait is None:
                return await self._next()
            async with asyncio.timeout(wait):
                return await self._next()
        except StopAsyncIteration:
            failure = None
        except Exception as error:  # noqa: BLE001  handed on to the caller of next()
            failure = error
        raise _Left(failure)

    async def aclose(self) -> None:
        close = getattr(self._raw, "aclose", None) or getattr(self._raw, "close", None)
        if close is not None and (waiting := close()) is not None:
            await waiting


class ProviderStream:
    """An open stream: `await next()` until it returns None, then read the fields.

    `usage` and `raw_reason` may be set before the end. Must be closed.
    """

    def __init__(self, wrapper: Any, model: str) -> None:
        self._wrapper = wrapper
        self._next = wrapper.__anext__
        self._chunks: list[Any] = wrapper.chunks
        self._asked_model = model
        self._tapped = False
        self._noted = 0  # chunks already looked at
        self.usage: Usage | None = None
        self.calls = Calls()
        self.thoughts = Thoughts()

    @classmethod
    async def open(cls, arguments: Mapping[str, Any]) -> "ProviderStream":
        """Send the request; returns when the provider's response has begun."""
        wrapper = await _litellm.load().acompletion(**arguments)
        stream = cls(wrapper, str(arguments["model"]).partition("/")[2])
        try:
            if wrapper.completion_stream is None:  # some send only when first read
                await wrapper.fetch_stream()
            if hasattr(wrapper.completion_stream, "__aiter__"):
                wrapper.completion_stream = _Tap(wrapper.completion_stream, stream)
                stream._tapped = True
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def next(self) -> tuple[str, str] | None:
        """(text, reasoning) of the next chunk, either may be empty; None at the end.

        Raises whatever the provider's side raised; `llm._failures` sorts that out.
        """
        failure = None
        try:
            chunk = await self._next()
        except _Left as left:
            chunk, failure = None, left.failure
        except StopAsyncIteration:
            chunk = None
        self._note_usage()
        if chunk is None:
            if failure is not None and self.raw_reason is None:
                raise failure
            return None
        choices = chunk.choices
        if not choices:
            return "", ""
        delta = choices[0].delta
        if calls := getattr(delta, "tool_calls", None):
            self.calls.take(calls)
        if blocks := getattr(delta, "thinking_blocks", None):
            self.thoughts.take(blocks)
        return delta.content or "", getattr(delta, "reasoning_content", None) or ""

    @property
    def raw_reason(self) -> str | None:
        """The provider's finish reason; None as long as it has given none."""
        wrapper = self._wrapper
        reason = wrapper.received_finish_reason or wrapper.intermittent_finish_reason
        return str(reason) if reason else None

    @property
    def reason(self) -> FinishReason:
        return reason_of(self.raw_reason)

    @property
    def model(self) -> str:
        """The model that the provider says answered, else the one asked for."""
        named = getattr(self._wrapper, "_provider_response_model", None)
        return named or self._asked_model

    def patience(self) -> float | None:
        """Seconds to wait for what may follow the finish reason; None before it.

        A reason with text is not the end: some providers repeat it on every chunk.
        """
        if self.raw_reason is None or not self._chunks:
            return None
        self._note_usage()
        choices = self._chunks[-1].choices
        if choices and choices[0].delta.content:
            return None
        return _WAIT_FOR_USAGE if self.usage is None else _WAIT_FOR_END

    def _note_usage(self) -> None:
        """Take the newest usage out of the wrapper's list of chunks, and shorten it."""
        chunks = self._chunks
        for chunk in chunks[self._noted :]:
            usage = getattr(chunk, "usage", None)
            if usage is not None:
                self.usage = usage_of(usage)
        if self._tapped and len(chunks) > _KEPT_CHUNKS:
            del chunks[:-2]
        self._noted = len(chunks)

    async def aclose(self) -> None:
        """Close the provider's connection, also when the caller is being cancelled."""
        task = asyncio.ensure_future(self._wrapper.aclose())
        _closing.add(task)  # the loop itself keeps no strong reference
        task.add_done_callback(_closing.discard)
        await asyncio.shield(task)
