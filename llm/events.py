"""What a model's answer is made of: the only values that leave `llm.client`.

A stream is any number of deltas and then exactly one `Finished`. Every lane of the
client speaks these, so nothing above this package knows a provider's wire format.
"""

from dataclasses import dataclass
from typing import Literal

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
class Finished:
    """The end of a complete answer.

    `raw_reason` is the reason as received, before it was mapped to ours; `model` is the
    name the provider says answered, or the one asked for when it says none.
    """

    reason: FinishReason
    raw_reason: str | None
    usage: Usage
    model: str


Event = TextDelta | ReasoningDelta | Finished
