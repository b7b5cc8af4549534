"""Recorded streams, after the providers' documented shapes, with what they mean.

Each row is played to every lane of its provider. `litellm` tells where LiteLLM's lane
differs and why that is not what we want; without it the two have to agree.
"""

import json
from dataclasses import dataclass
from typing import Any

from llm import errors
from llm.events import FinishReason, Usage

BIG = "x" * 1_000_000
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


def sse(*payloads: Any, done: bool = True, end: bytes = b"\n\n") -> bytes:
    """Events as a server writes them, without escaping what is not ASCII."""
    events = [
        p if isinstance(p, bytes) else json.dumps(p, ensure_ascii=False).encode()
        for p in payloads
    ]
    if done:
        events.append(b"[DONE]")
    return b"".join(b"data: " + event + end for event in events)


def chunk(finish: str | None = None, /, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "some-model",
        "choices": [choice],
    }


def say(*pieces: str) -> list[dict[str, Any]]:
    return [chunk(role="assistant", content=""), *(chunk(content=p) for p in pieces)]


def counted(prompt: int = 5, completion: int = 2, **more: Any) -> dict[str, Any]:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **more,
    }
    return {**chunk(), "choices": [], "usage": usage}


STOP = chunk("stop")
AB = say("a", "b")
OPENAI = [
    Stream("text", "openai_compatible", sse(*AB, STOP, counted()), "ab"),
    Stream(
        "reasoning_content",
        "openai_compatible",
        sse(chunk(reasoning_content="hm"), *AB, STOP, counted()),
        "ab",
        "hm",
    ),
    Stream(
        "reasoning",
        "openai_compatible",
        sse(chunk(reasoning="hm"), *AB, STOP, counted()),
        "ab",
        "hm",
    ),
    Stream(
        "both names of reasoning",
        "openai_compatible",
        sse(chunk(reasoning="hm", reasoning_content="hm"), *AB, STOP, counted()),
        "ab",
        "hm",
    ),
    Stream(
        "mistral's lists",
        "mistral",
        sse(
            chunk(
                content=[
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
                ]
            ),
            chunk(content=[{"type": "text", "text": "a"}]),
            chunk(content="b"),
            {**STOP, "usage": counted()["usage"]},
        ),
        "ab",
        "hm",
    ),
    Stream(
        "refusal",
        "openai_compatible",
        sse(chunk(refusal="I can"), chunk(refusal="not."), STOP, counted()),
        "I cannot.",
        litellm="drops the text of a refusal",
    ),
    Stream(
        "tool calls",
        "openai_compatible",
        sse(
            chunk(
                tool_calls=[
                    {
                        "index": 0,
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ]
            ),
            chunk("tool_calls"),
            counted(),
        ),
        reason="tool-calls",
        raw="tool_calls",
    ),
    Stream(
        "usage with cached and reasoning tokens",
        "openai_compatible",
        sse(
            *AB,
            STOP,
            counted(
                100,
                20,
                prompt_tokens_details={"cached_tokens": 64},
                completion_tokens_details={"reasoning_tokens": 8},
            ),
        ),
        "ab",
        usage=Usage(100, 20, 64, 8),
    ),
    Stream(
        "deepseek's cache",
        "deepseek",
        sse(*AB, STOP, counted(prompt_cache_hit_tokens=4, prompt_cache_miss_tokens=1)),
        "ab",
        usage=Usage(5, 2, 4),
    ),
    Stream(
        "xai counts reasoning apart",
        "xai",
        sse(
            *AB,
            STOP,
            counted(
                32,
                9,
                total_tokens=141,
                completion_tokens_details={"reasoning_tokens": 100},
            ),
        ),
        "ab",
        usage=Usage(32, 109, 0, 100),
    ),
    Stream(
        "groq's own place for usage",
        "groq",
        sse(*AB, {**STOP, "x_groq": {"id": "r", "usage": counted()["usage"]}}),
        "ab",
        litellm="does not look there and estimates",
    ),
    Stream("usage missing", "openai_compatible", sse(*AB, STOP), "ab", usage=None),
    Stream(
        "usage zero",
        "openai_compatible",
        sse(*AB, STOP, counted(0, 0)),
        "ab",
        usage=Usage(0, 0),
    ),
    Stream(
        "usage on each chunk",
        "openai_compatible",
        sse(
            *({**c, "usage": counted(5, i)["usage"]} for i, c in enumerate(AB)),
            {**STOP, "usage": counted()["usage"]},
        ),
        "ab",
    ),
    Stream(
        "running usage, then a finish without, then the last",
        "openai_compatible",
        sse(
            *({**c, "usage": counted(5, 1)["usage"]} for c in AB),
            STOP,
            counted(5, 2),
        ),
        "ab",
    ),
    Stream(
        "finish with text and usage in one chunk",
        "openai_compatible",
        sse(*say("a"), {**chunk("stop", content="b"), "usage": counted()["usage"]}),
        "ab",
    ),
    Stream(
        "azure's empty choices",
        "azure",
        sse(
            {"choices": [], "model": "", "prompt_filter_results": []},
            *AB,
            STOP,
            counted(),
        ),
        "ab",
    ),
    Stream(
        "finish content_filter",
        "openai_compatible",
        sse(*AB, chunk("content_filter"), counted()),
        "ab",
        reason="content-filter",
        raw="content_filter",
    ),
    Stream(
        "finish length",
        "openai_compatible",
        sse(*AB, chunk("length"), counted()),
        "ab",
        reason="length",
        raw="length",
    ),
    Stream(
        "CRLF", "openai_compatible", sse(*AB, STOP, counted(), end=b"\r\n\r\n"), "ab"
    ),
    Stream(
        "comments, ids and retries",
        "openai_compatible",
        b": hello\n\nretry: 10\n"
        + sse(*AB, STOP, counted(), end=b"\nid: 7\nevent: message\n\n: ping\n\n"),
        "ab",
        litellm="takes a comment after an id for an empty event",
    ),
    Stream(
        "an object over several data lines",
        "openai_compatible",
        sse(*AB).replace(b'"choices"', b'\ndata: "choices"')[
            : -len(b"data: [DONE]\n\n")
        ]
        + sse(STOP, counted()),
        "ab",
    ),
    Stream(
        "no blank lines",
        "xai",
        sse(*AB, STOP, counted(), end=b"\n"),
        "ab",
    ),
    Stream(
        "no space after the colon",
        "openai_compatible",
        sse(*AB, STOP, counted()).replace(b"data: ", b"data:"),
        "ab",
    ),
    Stream(
        "[DONE] missing",
        "openai_compatible",
        sse(*AB, STOP, counted(), done=False),
        "ab",
    ),
    Stream(
        "the last line without its end",
        "openai_compatible",
        sse(*AB, STOP, counted(), done=False).rstrip(b"\n"),
        "ab",
        litellm="drops that line",
    ),
    Stream(
        "raw line separators of Unicode",
        "xai",
        sse(*say("a\u2028b\u2029", "c\u0085d"), STOP, counted()),
        "a\u2028b\u2029c\u0085d",
        litellm="cuts lines there and drops the chunk",
    ),
    Stream(
        "characters of all lengths",
        "openai_compatible",
        sse(*say("é", "日本", "👩‍👩‍👧"), STOP, counted()),
        "é日本👩‍👩‍👧",
    ),
    Stream(
        "invalid UTF-8",
        "openai_compatible",
        sse(*AB, STOP, counted()).replace(b'"a"', b'"a\xff"'),
        "a\ufffdb",
        litellm="fails",
    ),
    Stream(
        "lone surrogates",
        "openai_compatible",
        sse(*AB, STOP, counted()).replace(b'"a"', b'"a\\ud83d"'),
        "a\ufffdb",
        litellm="hands them on, and nothing can store them",
    ),
    Stream("1 MB in a line", "openai_compatible", sse(*say(BIG), STOP, counted()), BIG),
    Stream(
        "the answer as a whole",
        "openai_compatible",
        json.dumps(
            {
                "object": "chat.completion",
                "model": "some-model",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": "ab"},
                    }
                ],
                "usage": counted()["usage"],
            }
        ).encode(),
        "ab",
        litellm="sees no stream in it",
    ),
    Stream(
        "truncated before the finish",
        "openai_compatible",
        sse(*AB, done=False),
        "ab",
        reason=None,
        error=errors.ProviderIncomplete,
    ),
    Stream(
        "[DONE] without a finish",
        "openai_compatible",
        sse(*AB),
        "ab",
        reason=None,
        error=errors.ProviderIncomplete,
    ),
    Stream(
        "truncated in a line after the finish",
        "openai_compatible",
        sse(*AB, STOP, counted(), done=False)[:-30],
        "ab",
        usage=None,
    ),
    Stream(
        "empty",
        "openai_compatible",
        b"",
        reason=None,
        error=errors.ProviderIncomplete,
    ),
    Stream(
        "a web page",
        "openai_compatible",
        b"<!DOCTYPE html>\n<html>\n<body>Sign in</body>\n</html>\n",
        reason=None,
        error=errors.ProviderIncomplete,
    ),
    Stream(
        "garbage",
        "openai_compatible",
        sse(*AB, b"{not json"),
        "ab",
        reason=None,
        error=errors.ProviderError,
    ),
    Stream(
        "an error in the stream",
        "openai_compatible",
        sse(*AB, {"error": {"message": "boom", "type": "server_error"}}),
        "ab",
        reason=None,
        error=errors.ProviderError,
        status=500,
    ),
    Stream(
        "too many requests, told in the stream",
        "xai",
        sse(*AB, {"error": {"message": "slow down", "code": 429}}),
        "ab",
        reason=None,
        error=errors.ProviderRateLimited,
        status=429,
    ),
    Stream(
        "an error body with status 200",
        "openai_compatible",
        b'{\n  "error": {\n    "message": "boom",\n    "code": 503\n  }\n}\n',
        reason=None,
        error=errors.ProviderUnavailable,
        status=503,
        litellm="sees an empty stream",
    ),
    Stream(
        "openrouter's error in a choice",
        "openrouter",
        sse(
            *AB,
            {
                **chunk(),
                "error": {"code": 502, "message": "Provider disconnected"},
                "choices": [
                    {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
                ],
            },
        ),
        "ab",
        reason=None,
        error=errors.ProviderError,
        status=502,
    ),
]

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


def block(*deltas: dict[str, Any], start: dict[str, Any] | None = None) -> list[Any]:
    start = start or {"type": "text", "text": ""}
    return [
        {"type": "content_block_start", "index": 0, "content_block": start},
        *({"type": "content_block_delta", "index": 0, "delta": d} for d in deltas),
        {"type": "content_block_stop", "index": 0},
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


def gemini(
    *parts: dict[str, Any], finish: str | None = None, **usage: int
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        candidate["finishReason"] = finish
    counts = {
        "promptTokenCount": 5,
        "candidatesTokenCount": 2,
        "totalTokenCount": 7,
        **usage,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": counts,
        "modelVersion": "some-model",
    }


GEMINI = [
    Stream(
        "text",
        "gemini",
        sse(
            gemini({"text": "a"}),
            gemini({"text": "b"}, finish="STOP"),
            done=False,
            end=b"\r\n\r\n",
        ),
        "ab",
        raw="STOP",
    ),
    Stream(
        "a finish with every object",
        "gemini",
        sse(
            gemini({"text": "a"}, finish="STOP"),
            gemini({"text": "b"}, finish="STOP"),
            done=False,
        ),
        "ab",
        raw="STOP",
    ),
    Stream(
        "thoughts",
        "gemini",
        sse(
            gemini({"text": "hm", "thought": True}),
            gemini({"text": "a"}, {"text": "b"}),
            gemini(finish="STOP", thoughtsTokenCount=10, totalTokenCount=17),
            done=False,
        ),
        "ab",
        "hm",
        raw="STOP",
        usage=Usage(5, 12, 0, 10),
    ),
    Stream(
        "cached",
        "gemini",
        sse(
            gemini({"text": "a"}),
            gemini({"text": ""}, finish="STOP", cachedContentTokenCount=4),
            done=False,
        ),
        "a",
        raw="STOP",
        usage=Usage(5, 2, 4),
    ),
    Stream(
        "max tokens",
        "gemini",
        sse(gemini({"text": "a"}), gemini(finish="MAX_TOKENS"), done=False),
        "a",
        raw="MAX_TOKENS",
        reason="length",
    ),
    Stream(
        "safety",
        "gemini",
        sse(gemini({"text": "a"}), gemini(finish="SAFETY"), done=False),
        "a",
        raw="SAFETY",
        reason="content-filter",
    ),
    Stream(
        "prompt blocked",
        "gemini",
        sse(
            {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
                "modelVersion": "some-model",
            },
            done=False,
        ),
        raw="PROHIBITED_CONTENT",
        reason="content-filter",
        usage=Usage(5, 0),
    ),
    Stream(
        "quota gone in mid-stream",
        "gemini",
        sse(
            gemini({"text": "a"}),
            {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}},
            done=False,
        ),
        "a",
        reason=None,
        error=errors.ProviderRateLimited,
        status=429,
        litellm="has invented a finish by then",
    ),
    Stream(
        "truncated",
        "gemini",
        sse(gemini({"text": "a"}), done=False),
        "a",
        reason=None,
        error=errors.ProviderIncomplete,
        litellm="invents a finish",
    ),
    Stream(
        "raw line separators of Unicode",
        "gemini",
        sse(gemini({"text": "a\u2028b"}), gemini(finish="STOP"), done=False),
        "a\u2028b",
        raw="STOP",
        litellm="drops the character",
    ),
]


def ollama(text: str, *, thinking: str = "", done: bool = False) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    made: dict[str, Any] = {"model": "some-model", "message": message, "done": done}
    if done:
        made |= {"done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2}
    return made


OLLAMA = [
    Stream(
        "JSON lines",
        "ollama_chat",
        b"".join(
            json.dumps(ollama(text, done=not text), ensure_ascii=False).encode() + b"\n"
            for text in ("a", "é", "")
        ),
        "aé",
    ),
    Stream(
        "truncated",
        "ollama_chat",
        json.dumps(ollama("a")).encode() + b"\n",
        "a",
        reason=None,
        error=errors.ProviderIncomplete,
    ),
]

STREAMS = [*OPENAI, *ANTHROPIC, *GEMINI, *OLLAMA]
