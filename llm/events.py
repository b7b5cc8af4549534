"""What a model's answer is made of: the only values that leave `llm.client`.

A stream is any number of deltas, then the tool calls, then exactly one `Finished`.
Every lane of the client speaks these, so nothing above this package knows a provider's
wire format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# The AI SDK's spelling, because it is what leaves the house in the end.
FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "other"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call.

    `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` part of
    `completion_tokens`. `estimated` is true when we counted with a tokenizer because
    the provider said nothing; an explicit zero of the provider is not an estimate.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A further piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A further piece of the model's thinking, never empty; not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model wants a tool's result; comes only before a `Finished` whose reason is
    "tool-calls".

    `arguments` is JSON as the model wrote it, which may be no JSON at all. `signature`
    is the provider's own and goes back to it with the call.
    """

    call_id: str
    name: str
    arguments: str
    signature: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a complete answer.

    `raw_reason` is the reason as received, before it was mapped to ours; `model` is the
    name the provider says answered, or the one asked for when it says none. `echo` are
    fields that the provider wants to find in the assistant's message when the results
    of its tools are sent (such as signed thinking).
    """

    reason: FinishReason
    raw_reason: str | None
    usage: Usage
    model: str
    echo: Mapping[str, Any] = field(default_factory=dict, repr=False)


Event = TextDelta | ReasoningDelta | ToolCalled | Finished
