"""Gemini's stream of GenerateContentResponse objects (AI Studio)."""

from collections.abc import Sequence
from typing import Any

from llm.calls import Calls, Thoughts
from llm.events import ReasoningDelta, TextDelta, Usage
from llm.parsers import NOTHING, Delta, StreamFailedError
from llm.parsers.counts import checked, count


class GeminiParser:
    """See `llm.parsers.Parser`.

    The finish reason may come with text, and older models send it with every object:
    then only the end of the body is the end.
    """

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
        given = chunk.get("usageMetadata")
        if given:
            self.usage = _usage(given)
        if not self.model:
            self.model = chunk.get("modelVersion") or ""
        candidates = chunk.get("candidates")
        if not candidates:
            blocked = (chunk.get("promptFeedback") or {}).get("blockReason")
            if blocked:
                self.raw_reason = str(blocked)
                self.complete = self.usage is not None
            return NOTHING
        candidate = candidates[0]
        if reason := candidate.get("finishReason"):
            self.raw_reason = str(reason)
        parts = (candidate.get("content") or {}).get("parts")
        called = self.calls.pieces
        deltas = self._deltas(parts) if parts else NOTHING
        if given:
            quiet = not deltas and self.calls.pieces == called
            self.complete = self.raw_reason is not None and quiet
        return deltas

    def _deltas(self, parts: list[dict[str, Any]]) -> Sequence[Delta]:
        for part in parts:
            if call := part.get("functionCall"):
                # Each comes in one piece; ids only from the newest models.
                self.calls.add(
                    None,
                    call.get("id"),
                    call["name"],
                    call.get("args"),
                    part.get("thoughtSignature") or "",
                )
        return [
            ReasoningDelta(text) if part.get("thought") else TextDelta(text)
            for part in parts
            if (text := part.get("text"))
        ]


@checked
def _usage(given: dict[str, Any]) -> Usage:
    """Gemini counts thoughts beside the answer, some of its models inside it."""
    prompt = count(given.get("promptTokenCount"))
    prompt += count(given.get("toolUsePromptTokenCount"))
    completion = count(given.get("candidatesTokenCount"))
    thoughts = count(given.get("thoughtsTokenCount"))
    if given.get("totalTokenCount") != prompt + completion:
        completion += thoughts
    cached = count(given.get("cachedContentTokenCount"))
    return Usage(prompt, completion, cached, thoughts)
