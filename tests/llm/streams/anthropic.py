"""Streams in Anthropic's format."""

import json
from typing import Any

from llm import errors
from llm.events import Usage
from tests.llm.streams.recording import Stream

START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "some-model",
        "content": [],
        "usage": {"input_tokens": 5, "output_tokens": 1},
    },
}


def block(
    *deltas: dict[str, Any], start: dict[str, Any] | None = None, at: int = 0
) -> list[Any]:
    start = start or {"type": "text", "text": ""}
    return [
        {"type": "content_block_start", "index": at, "content_block": start},
        *({"type": "content_block_delta", "index": at, "delta": d} for d in deltas),
        {"type": "content_block_stop", "index": at},
    ]


def texts(*pieces: str) -> list[Any]:
    return block(*({"type": "text_delta", "text": piece} for piece in pieces))


def over(reason: str = "end_turn", **usage: int) -> list[Any]:
    return [
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": 2, **usage},
        },
        {"type": "message_stop"},
    ]


def events(*payloads: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: %s\ndata: %s\n\n"
        % (p["type"].encode(), json.dumps(p, ensure_ascii=False).encode())
        for p in payloads
    )


ANTHROPIC = [
    Stream(
        "text",
        "anthropic",
        events(START, {"type": "ping"}, *texts("a", "b"), *over()),
        "ab",
        raw="end_turn",
    ),
    Stream(
        "thinking",
        "anthropic",
        events(
            START,
            *block(
                {"type": "thinking_delta", "thinking": "hm"},
                {"type": "signature_delta", "signature": "s"},
                start={"type": "thinking", "thinking": "", "signature": ""},
            ),
            *block(start={"type": "redacted_thinking", "data": "x"}),
            *texts("a", "b"),
            *over(),
        ),
        "ab",
        "hm",
        raw="end_turn",
        litellm="counts the thinking with a tokenizer of its own",
    ),
    Stream(
        "cache",
        "anthropic",
        events(
            {
                **START,
                "message": {
                    **START["message"],
                    "usage": {
                        "input_tokens": 5,
                        "cache_read_input_tokens": 30,
                        "cache_creation_input_tokens": 7,
                        "output_tokens": 1,
                    },
                },
            },
            *texts("a", "b"),
            *over(),
        ),
        "ab",
        raw="end_turn",
        usage=Usage(42, 2, 30),
    ),
    Stream(
        "prompt counted again at the end",
        "anthropic",
        events(START, *texts("a"), *over(input_tokens=9, cache_read_input_tokens=3)),
        "a",
        raw="end_turn",
        usage=Usage(12, 2, 3),
    ),
    Stream(
        "tools used side by side after signed thinking",
        "anthropic",
        events(
            START,
            *block(
                {"type": "thinking_delta", "thinking": "hm"},
                {"type": "signature_delta", "signature": "sig"},
                start={"type": "thinking", "thinking": "", "signature": ""},
            ),
            *texts("a"),
            *block(
                {"type": "input_json_delta", "partial_json": ""},
                {"type": "input_json_delta", "partial_json": '{"x"'},
                {"type": "input_json_delta", "partial_json": ":1}"},
                start={"type": "tool_use", "id": "t", "name": "f", "input": {}},
                at=2,
            ),
            *block(
                start={"type": "tool_use", "id": "u", "name": "g", "input": {}}, at=3
            ),
            *over("tool_use"),
        ),
        "a",
        "hm",
        reason="tool-calls",
        raw="tool_use",
        calls=(("f", '{"x":1}'), ("g", "{}")),
        litellm="counts the thinking with a tokenizer of its own",
    ),
    Stream(
        "tool use",
        "anthropic",
        events(
            START,
            *block(
                {"type": "input_json_delta", "partial_json": "{}"},
                start={"type": "tool_use", "id": "t", "name": "f", "input": {}},
            ),
            *over("tool_use"),
        ),
        reason="tool-calls",
        raw="tool_use",
        calls=(("f", "{}"),),
    ),
    Stream(
        "refusal",
        "anthropic",
        events(START, *texts("a"), *over("refusal")),
        "a",
        reason="content-filter",
        raw="refusal",
    ),
    Stream(
        "max_tokens",
        "anthropic",
        events(START, *texts("a"), *over("max_tokens")),
        "a",
        reason="length",
        raw="max_tokens",
    ),
    Stream(
        "overloaded in mid-stream",
        "anthropic",
        events(
            START,
            *texts("a"),
            {"type": "error", "error": {"type": "overloaded_error", "message": "o"}},
        ),
        "a",
        reason=None,
        error=errors.ProviderUnavailable,
        status=529,
        litellm="forgets what kind of error it was",
    ),
    Stream(
        "truncated",
        "anthropic",
        events(START, *texts("a")),
        "a",
        reason=None,
        error=errors.ProviderIncomplete,
    ),
    Stream(
        "raw line separators of Unicode",
        "anthropic",
        events(START, *texts("a\u2028b", "c\u0085d"), *over()),
        "a\u2028bc\u0085d",
        raw="end_turn",
        litellm="loses all text after the first, and the usage",
    ),
]
