"""Streams in OpenAI's format and of its imitators."""

import json
from typing import Any

from llm import errors
from llm.events import Usage
from tests.llm.streams.recording import Stream, sse

BIG = "x" * 1_000_000


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
        "garbage with CRLF",
        "openai_compatible",
        sse(*AB, b"{not json", STOP, end=b"\r\n\r\n"),
        "ab",
        reason=None,
        error=errors.ProviderError,
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
