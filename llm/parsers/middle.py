"""Any provider's stream, read by the chunk parser that LiteLLM has for it.

Some 50 µs a chunk and as right as LiteLLM is; no work at the end of the stream.
"""

from collections.abc import Sequence
from typing import Any

from llm.calls import Calls, Thoughts
from llm.events import ReasoningDelta, TextDelta, Usage
from llm.parsers import NOTHING, Delta, StreamFailedError
from llm.parsers.counts import checked, count


class MiddleParser:
    """See `llm.parsers.Parser`; `iterator` is LiteLLM's for one stream."""

    def __init__(self, iterator: Any) -> None:
        self._parse = iterator.chunk_parser
        self.raw_reason: str | None = None
        self.usage: Usage | None = None
        self.prompt_usage: Usage | None = None
        self.model = ""
        self.complete = False
        self.calls = Calls()
        self.thoughts = Thoughts()

    def feed(self, chunk: dict[str, Any]) -> Sequence[Delta]:
        """See `llm.parsers.Parser.feed`."""
        if chunk.get("error"):
            raise StreamFailedError(chunk["error"])
        parsed = self._parse(chunk)
        if parsed is None:
            return NOTHING
        if isinstance(parsed, dict):  # LiteLLM's older, provider-neutral shape
            usage = parsed.get("usage")
            reason = parsed.get("finish_reason") if parsed.get("is_finished") else None
            text, thought = parsed.get("text"), None
            calls = [use] if (use := parsed.get("tool_use")) else None
        else:
            usage = getattr(parsed, "usage", None)
            choice = parsed.choices[0] if parsed.choices else None
            reason = choice.finish_reason if choice else None
            delta = choice.delta if choice else None
            text = getattr(delta, "content", None)
            thought = getattr(delta, "reasoning_content", None)
            calls = getattr(delta, "tool_calls", None)
            self.thoughts.take(getattr(delta, "thinking_blocks", None) or ())
            self.model = self.model or chunk.get("model") or ""
        if usage:
            self.usage = usage_of(usage)
        if reason:
            self.raw_reason = str(reason)
        if calls:
            self.calls.take(calls)
        deltas: list[Delta] = []
        if thought:
            deltas.append(ReasoningDelta(thought))
        if text:
            deltas.append(TextDelta(text))
        if usage:
            self.complete = self.raw_reason is not None and not deltas and not calls
        return deltas


@checked
def usage_of(given: Any) -> Usage:
    """LiteLLM's usage, as its object or as a dict."""
    if isinstance(given, dict):
        prompt = given.get("prompt_tokens_details")
        completion = given.get("completion_tokens_details")
        counts = given.get("prompt_tokens"), given.get("completion_tokens")
    else:
        prompt = getattr(given, "prompt_tokens_details", None)
        completion = getattr(given, "completion_tokens_details", None)
        counts = given.prompt_tokens, given.completion_tokens
    return Usage(
        prompt_tokens=count(counts[0]),
        completion_tokens=count(counts[1]),
        cached_tokens=_detail(prompt, "cached_tokens"),
        reasoning_tokens=_detail(completion, "reasoning_tokens"),
    )


def _detail(details: Any, name: str) -> int:
    if isinstance(details, dict):
        return count(details.get(name))
    return count(getattr(details, name, None))
