"""Readers of the providers' stream formats: JSON objects in, events out.

One parser reads one stream. Tool calls are gathered until it is over: half a call is of
no use to anybody.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from llm.calls import Calls, Thoughts
from llm.events import ReasoningDelta, TextDelta, Usage

Delta = TextDelta | ReasoningDelta
NOTHING: Sequence[Delta] = ()


class StreamFailedError(Exception):
    """The provider says inside its stream that it failed; `body` is what it says."""

    def __init__(self, body: object) -> None:
        super().__init__("the provider reports an error")
        self.body = body


class Parser(Protocol):
    """What is known of the stream so far, and what each object adds.

    `raw_reason` is the provider's finish reason, `usage` its last count, `prompt_usage`
    what it said of the prompt alone before anything else; each None until it came.
    `model` is the name of the model that answers, "" while unknown. `complete` is true
    once nothing can follow that matters: finish and usage have come, without text.
    `calls` and `thoughts` are what has come of tool calls and signed thinking.
    """

    raw_reason: str | None
    usage: Usage | None
    prompt_usage: Usage | None
    model: str
    complete: bool
    calls: Calls
    thoughts: Thoughts

    def feed(self, chunk: dict[str, Any]) -> Sequence[Delta]:
        """The deltas of `chunk`; raises `StreamFailedError`, or whatever a provider's
        strange shapes cause (KeyError, TypeError, …)."""
        ...
