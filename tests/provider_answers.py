"""What the stand-in provider (tests/provider.py) answers, and OpenAI's wire format."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

SECRET_MARKER = "raw-provider-text-7f3a"  # in every error body; must reach no reader

_NAMED = re.compile(r"mock-(\d+)x(\d+(?:\.\d+)?)ms-(\d+(?:\.\d+)?)ms")
_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}

Fault = Literal["error", "reset", "cut", "close", "garbage", "stall"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gets. Times are in seconds, `pace` in tokens a second.

    The content is `pieces`, else `text` in words, else `tokens` words "w0 w1 …", else
    (`echo`) the request's own body as JSON. `calls` are names and arguments of tools,
    called after it. `fault` strikes after `fault_after` pieces:
    an error object, a reset, a connection closed in mid-body, a clean end without a
    finish, bytes that are no events, or silence. A `pace` of 0 sends without pause.
    What comes after `held_after` pieces waits until the test lets it go; each piece of
    a `stepped` one does.
    """

    tokens: int = 3
    text: str | None = None
    pieces: tuple[str, ...] = ()
    echo: bool = False
    reasoning: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    pace: float = 0.0
    headers_after: float = 0.0
    first_after: float = 0.0
    usage: Mapping[str, object] | Literal["counted"] | None = "counted"
    usage_with_finish: bool = False
    finish: str | None = "stop"
    hold_open: float = 0.0
    pings_every: float = 0.0
    slice_bytes: int = 0
    status: int = 200
    error_type: str | None = None
    error_code: str | None = None
    error_message: str = "The request failed"
    retry_after: str | None = None
    fault: Fault | None = None
    fault_after: int = 0
    held_after: int | None = None
    stepped: bool = False

    def ending(self) -> str | None:
        return "tool_calls" if self.calls and self.finish == "stop" else self.finish

    def content(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        if self.pieces:
            return self.pieces
        if self.echo:
            return (json.dumps(body, ensure_ascii=False),)
        if self.calls and self.text is None:
            return ()
        if self.text is not None:
            return tuple(re.findall(r"\s*\S+\s*|\s+", self.text))
        return _words(self.tokens)


@lru_cache(maxsize=64)
def _words(count: int) -> tuple[str, ...]:
    return tuple(f"w{i} " for i in range(count))


def answer_for(model: str) -> Answer:
    """The answer a model's name asks for.

    `mock-<N>x<I>ms-<T>ms`: N tokens, I ms between them, T ms before the first;
    `mock-err<status>`; `mock-cut<K>`: a reset after K tokens; `mock-echo`.
    """
    if named := _NAMED.search(model):
        gap = float(named[2]) / 1000
        return Answer(
            tokens=int(named[1]),
            pace=1 / gap if gap else 0.0,
            first_after=float(named[3]) / 1000,
        )
    if failing := re.search(r"mock-err(\d{3})", model):
        return Answer(status=int(failing[1]))
    if cut := re.search(r"mock-cut(\d+)", model):
        return Answer(tokens=200, pace=200, fault="reset", fault_after=int(cut[1]))
    return Answer(echo=True) if "mock-echo" in model else Answer()


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def sse_event(payload: object) -> bytes:
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode() + b"\n\n"


@lru_cache(maxsize=4096)
def delta_event(model: str, field: str, text: str) -> bytes:
    return sse_event(frame(model, {field: text}))


def call_events(model: str, calls: tuple[tuple[str, str], ...]) -> list[bytes]:
    """All calls side by side: first their names, then their arguments in two pieces."""
    pieces: list[dict[str, object]] = [
        {
            "index": number,
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        for number, (name, _) in enumerate(calls)
    ]
    for number, (_, given) in enumerate(calls):
        half = len(given) // 2
        pieces += [
            {"index": number, "function": {"arguments": piece}}
            for piece in (given[:half], given[half:])
        ]
    return [sse_event(frame(model, {"tool_calls": [piece]})) for piece in pieces]


def frame(
    model: str, delta: Mapping[str, object], finish: str | None = None
) -> dict[str, object]:
    return {
        "id": "chatcmpl-stand-in",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def whole(answer: Answer, model: str, content: Sequence[str]) -> dict[str, object]:
    """The answer to a request that does not stream."""
    message = {"role": "assistant", "content": "".join(content)}
    choice = {"index": 0, "finish_reason": answer.finish, "message": message}
    usage = usage_field(answer, len(content))
    return {
        **frame(model, {}),
        "object": "chat.completion",
        "choices": [choice],
        **usage,
    }


def usage_field(answer: Answer, completion: int) -> dict[str, object]:
    if answer.usage is None:
        return {}
    if answer.usage != "counted":
        return {"usage": dict(answer.usage)}
    counts = {"prompt_tokens": 10, "completion_tokens": completion}
    return {"usage": {**counts, "total_tokens": completion + 10}}


def error_body(answer: Answer, authorization: str) -> dict[str, object]:
    """OpenAI's error object; echoes the key, as providers have been seen to do."""
    key = authorization.removeprefix("Bearer ")
    kind, code = _ERRORS.get(answer.status, ("server_error", "internal"))
    return {
        "error": {
            "message": f"{answer.error_message} {SECRET_MARKER} {key}",
            "type": answer.error_type or kind,
            "param": None,
            "code": answer.error_code or code,
        }
    }
