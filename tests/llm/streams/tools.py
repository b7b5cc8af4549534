"""Tool calls in OpenAI's format, as its imitators number the pieces."""

from typing import Any

from tests.llm.streams.openai import chunk, counted
from tests.llm.streams.recording import Stream, sse


def called(
    name: str, *pieces: list[dict[str, Any]], finish: str = "tool_calls"
) -> Stream:
    """Pieces of the calls f(x=1) and g()."""
    return Stream(
        name,
        "openai_compatible",
        sse(*(chunk(tool_calls=p) for p in pieces), chunk(finish), counted()),
        reason="tool-calls",
        raw=finish,
        calls=(("f", '{"x":1}'), ("g", "{}")),
    )


CALL = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}
TOOLS = [
    Stream(
        "tool calls",
        "openai_compatible",
        sse(
            chunk(tool_calls=[CALL]),
            chunk("tool_calls"),
            counted(),
        ),
        reason="tool-calls",
        raw="tool_calls",
        calls=(("f", "{}"),),
    ),
    called(
        "tool calls in pieces, side by side",
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}],
        [{"index": 0, "function": {"arguments": '{"x"'}}],
        [{"index": 1, "function": {"arguments": "}"}}],
        [{"index": 0, "function": {"arguments": ":1}"}}],
    ),
    called(
        "tool calls without an index",
        [{"id": "a", "function": {"name": "f", "arguments": '{"x"'}}],
        [{"function": {"arguments": ":1}"}}],
        [{"id": "b", "function": {"name": "g", "arguments": "{}"}}],
    ),
    called(
        "tool calls that are all number 0",
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}],
        [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
    ),
    called(
        "tool calls that repeat their id",
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}],
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}}],
        [{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}],
    ),
    called(
        "tool calls at an ordinary end",
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}],
        [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
        finish="stop",
    ),
    Stream(
        "a tool call cut off by the limit",
        "openai_compatible",
        sse(chunk(tool_calls=[CALL]), chunk("length"), counted()),
        reason="length",
        raw="length",
    ),
]
