"""Why models stop: the words of all providers, and ours."""

from collections.abc import Mapping
from typing import Final

from llm.events import FinishReason

_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "complete": "stop",
    "finish_reason_stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "content-filter",
    "content_filtered": "content-filter",
    "safety": "content-filter",
    "refusal": "content-filter",
    "recitation": "content-filter",
    "language": "content-filter",
    "prohibited_content": "content-filter",
    "blocklist": "content-filter",
    "spii": "content-filter",
    "image_safety": "content-filter",
    "tool_calls": "tool-calls",
    "tool_use": "tool-calls",
    "function_call": "tool-calls",
}


def reason_of(raw: str | None) -> FinishReason:
    """Ours for a provider's finish reason, in whatever case it is written."""
    return _REASONS.get((raw or "").lower(), "other")


def with_calls(reason: FinishReason, calls: bool) -> FinishReason:
    """Some providers stop "normally" where they call tools. Calls that were cut off or
    filtered are none."""
    return "tool-calls" if calls and reason in {"stop", "other"} else reason
