"""OpenAI's chat completion chunks, with what its imitators do differently."""

from collections.abc import Sequence
from typing import Any

from llm.calls import Calls, Thoughts
from llm.events import ReasoningDelta, TextDelta, Usage
from llm.parsers import NOTHING, Delta, StreamFailedError
from llm.parsers.counts import checked, count


class OpenAIParser:
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
        if chunk.get("error"):
            raise StreamFailedError(chunk["error"])
        given = chunk.get("usage")
        if given is None and "x_groq" in chunk:
            given = (chunk["x_groq"] or {}).get("usage")
        if given:
            self.usage = usage_of(given)
        if not self.model:
            self.model = chunk.get("model") or ""
        choices = chunk.get("choices")
        if not choices:
            self.complete = bool(given) and self.raw_reason is not None
            return NOTHING
        choice = choices[0]
        if finish := choice.get("finish_reason"):
            if choice.get("error"):  # OpenRouter, of the provider behind it
                raise StreamFailedError(choice["error"])
            self.raw_reason = str(finish)
        # Who ignores "stream" answers with one "message".
        delta = choice.get("delta") or choice.get("message")
        if not delta:
            deltas, calls = NOTHING, None
        else:
            deltas = _deltas(delta)
            if calls := delta.get("tool_calls"):
                self.calls.take(calls)
        if given:
            self.complete = self.raw_reason is not None and not deltas and not calls
        return deltas


def _deltas(delta: dict[str, Any]) -> Sequence[Delta]:
    content = delta.get("content")
    # Some send both names with the same text.
    thought = delta.get("reasoning_content") or delta.get("reasoning")
    refusal = delta.get("refusal")
    if content.__class__ is str and content and not thought and not refusal:
        return (TextDelta(content),)
    deltas: list[Delta] = []
    if thought and isinstance(thought, str):
        deltas.append(ReasoningDelta(thought))
    if isinstance(content, list):  # Mistral
        deltas.extend(_parts(content))
    elif content:
        deltas.append(TextDelta(content))
    if refusal:  # what the person is to read instead
        deltas.append(TextDelta(refusal))
    return deltas


def _parts(parts: list[dict[str, Any]]) -> Sequence[Delta]:
    """Mistral's content: text parts, and thinking parts that hold text parts."""
    deltas: list[Delta] = []
    for part in parts:
        if part.get("type") == "text" and part.get("text"):
            deltas.append(TextDelta(part["text"]))
        elif part.get("type") == "thinking":
            inner = part.get("thinking") or ()
            texts = (
                [inner] if isinstance(inner, str) else [p.get("text") for p in inner]
            )
            deltas.extend(ReasoningDelta(text) for text in texts if text)
    return deltas


@checked
def usage_of(given: dict[str, Any]) -> Usage:
    """OpenAI's usage object. Cached tokens have other names with DeepSeek, Moonshot."""
    prompt = count(given.get("prompt_tokens"))
    completion = count(given.get("completion_tokens"))
    total = given.get("total_tokens")
    details = given.get("prompt_tokens_details") or {}
    reasoning = count(
        (given.get("completion_tokens_details") or {}).get("reasoning_tokens")
    )
    if reasoning and total == prompt + completion + reasoning:  # xAI counts it apart
        completion += reasoning
    cached = count(
        details.get("cached_tokens")
        or given.get("prompt_cache_hit_tokens")
        or given.get("cached_tokens")
    )
    return Usage(prompt, completion, cached, reasoning)
