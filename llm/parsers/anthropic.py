"""Anthropic's message stream events."""

from collections.abc import Sequence
from typing import Any

from llm.calls import Calls, Thoughts
from llm.events import ReasoningDelta, TextDelta, Usage
from llm.parsers import NOTHING, Delta, StreamFailedError
from llm.parsers.counts import checked, count


class AnthropicParser:
    """See `llm.parsers.Parser`."""

    __slots__ = (
        "calls",
        "complete",
        "model",
        "prompt_usage",
        "raw_reason",
        "thoughts",
        "usage",
    )

    def __init__(self) -> None:
        self.raw_reason: str | None = None
        self.usage: Usage | None = None
        self.prompt_usage: Usage | None = None
        self.model = ""
        self.complete = False
        self.calls = Calls()
        self.thoughts = Thoughts()

    def feed(self, chunk: dict[str, Any]) -> Sequence[Delta]:
        """See `llm.parsers.Parser.feed`."""
        kind = chunk.get("type")
        if kind == "content_block_delta":
            return self._deltas(chunk["delta"], chunk)
        if kind == "content_block_start":
            return self._start(chunk["content_block"], chunk)
        if kind == "message_start":
            message = chunk["message"]
            self.model = message.get("model") or ""
            self.prompt_usage = _usage(message.get("usage") or {}, None)
        elif kind == "message_delta":
            self._end(chunk)
        elif kind == "message_stop":
            self.complete = self.raw_reason is not None
        elif kind == "error" or chunk.get("error"):
            raise StreamFailedError(chunk.get("error") or chunk)
        return NOTHING

    def _start(self, block: dict[str, Any], chunk: dict[str, Any]) -> Sequence[Delta]:
        if block.get("type") == "tool_use":
            # An input is given here, if not by deltas.
            given = block.get("input") or None
            self.calls.add(chunk.get("index"), block["id"], block["name"], given)
        elif block.get("type") == "redacted_thinking":
            self.thoughts.redact(block["data"])
        return self._deltas(block, chunk)

    def _deltas(self, delta: dict[str, Any], chunk: dict[str, Any]) -> Sequence[Delta]:
        """Of a block's start or delta: both hold their text under the kind's name."""
        if text := delta.get("text"):
            return (TextDelta(text),)
        if thought := delta.get("thinking"):
            self.thoughts.add(thought)
            return (ReasoningDelta(thought),)
        if arguments := delta.get("partial_json"):
            self.calls.add(chunk.get("index"), None, None, arguments)
        elif signature := delta.get("signature"):
            self.thoughts.sign(signature)
        return NOTHING

    def _end(self, chunk: dict[str, Any]) -> None:
        reason = (chunk.get("delta") or {}).get("stop_reason")
        if reason:
            self.raw_reason = str(reason)
        if given := chunk.get("usage"):
            self.usage = _usage(given, self.prompt_usage)
        self.complete = self.raw_reason is not None and self.usage is not None


@checked
def _usage(given: dict[str, Any], before: Usage | None) -> Usage:
    """Anthropic's prompt tokens are those not read from or written to its cache.

    The last event repeats those of the prompt only sometimes.
    """
    completion = count(given.get("output_tokens"))
    if given.get("input_tokens") is None and before is not None:
        return Usage(before.prompt_tokens, completion, before.cached_tokens)
    cached = count(given.get("cache_read_input_tokens"))
    written = count(given.get("cache_creation_input_tokens"))
    prompt = count(given.get("input_tokens")) + cached + written
    return Usage(prompt, completion, cached)
