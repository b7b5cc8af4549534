"""Streams in Gemini's format."""

from typing import Any

from llm import errors
from llm.events import Usage
from tests.llm.streams.recording import Stream, sse


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
        "tools called side by side",
        "gemini",
        sse(
            gemini({"text": "a"}),
            gemini(
                {
                    "functionCall": {"name": "f", "args": {"x": 1}},
                    "thoughtSignature": "sig",
                },
                {"functionCall": {"name": "g", "args": {}}},
            ),
            gemini(finish="STOP"),
            done=False,
            end=b"\r\n\r\n",
        ),
        "a",
        reason="tool-calls",
        raw="STOP",
        calls=(("f", '{"x": 1}'), ("g", "{}")),
    ),
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
