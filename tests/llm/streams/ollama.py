"""Streams of JSON lines, as Ollama sends them."""

import json
from typing import Any

from llm import errors
from tests.llm.streams.recording import Stream


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
