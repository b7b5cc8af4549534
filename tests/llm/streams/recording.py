"""What a recorded stream is, and server-sent events as servers write them."""

import json
from dataclasses import dataclass
from typing import Any

from llm import errors
from llm.events import FinishReason, Usage

COUNTED = Usage(5, 2)


@dataclass(frozen=True, slots=True)
class Stream:
    """A body and what is to come of it; `usage` None means one estimated by us."""

    name: str
    provider: str
    body: bytes
    text: str = ""
    reasoning: str = ""
    reason: FinishReason | None = "stop"
    raw: str | None = "stop"
    usage: Usage | None = COUNTED
    error: type[errors.LLMError] | None = None
    status: int | None = None
    litellm: str | None = None
    calls: tuple[tuple[str, str], ...] = ()


def sse(*payloads: Any, done: bool = True, end: bytes = b"\n\n") -> bytes:
    """Events as a server writes them, without escaping what is not ASCII."""
    events = [
        p if isinstance(p, bytes) else json.dumps(p, ensure_ascii=False).encode()
        for p in payloads
    ]
    if done:
        events.append(b"[DONE]")
    return b"".join(b"data: " + event + end for event in events)
