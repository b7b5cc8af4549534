"""Turns of every sort, mixed, and a provider that keeps count of what it sent.

What a turn is to become stands in its message, so that the provider needs to be told
nothing: `tools 12 #345` is turn 345, which calls a tool and then says 12 words.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from llm.events import Usage
from tests.chat.talk import CHAT
from tests.provider import Answer, Provider

UP, DOWN = "up", "down"
# How many of each sort there are to one of the others.
SORTS: Final = {
    "done": 5,
    "left": 1,  # the reader leaves, the turn goes on
    "stopped": 1,
    "cut": 1,
    "failed": 1,
    "silent": 1,  # the provider says nothing of its usage
    "again": 1,  # the second try answers
    "fallback": 1,
    "tools": 2,
}
_MEANT: Final = re.compile(r"(\w+) (\d+) #(\d+)")
_SUM: Final = ("calculator", '{"expression": "6*7"}')


@dataclass(frozen=True, slots=True)
class Mixed:
    """One turn as it is meant to go."""

    number: int
    sort: str
    length: int

    def run(self, client: httpx.Client) -> None:
        body = {"message": f"{self.sort} {self.length} #{self.number}"}
        if self.sort == "fallback":
            body["agentId"] = "fallback"
        with client.stream("POST", CHAT, json=body, timeout=120) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                part = json.loads(line[6:]) if line.startswith("data: {") else {}
                if part.get("type") == "start":
                    conversation = part["messageMetadata"]["conversationId"]
                if part.get("type") == "text-delta":
                    if self.sort == "stopped":
                        stopped = client.post(f"{CHAT}/{conversation}/stop")
                        assert stopped.status_code == 204, stopped.text
                    if self.sort in {"left", "stopped"}:
                        return


def mixture(turns: int, seed: int) -> Iterator[Mixed]:
    dice = random.Random(seed)
    sorts = dice.choices([*SORTS], [*SORTS.values()], k=turns)
    for number, sort in enumerate(sorts):
        yield Mixed(number, sort, dice.randint(1, 60))


def meant(text: object) -> re.Match[str] | None:
    return _MEANT.search(str(text))


class CountingProvider(Provider):
    """`calls` are the requests for each turn's number, `reported` what they told of
    usage; calls that told nothing are missing there."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[int] = Counter()
        self.reported: dict[int, list[Usage]] = defaultdict(list)
        self._lock = threading.Lock()

    def _take(self, body: Mapping[str, Any]) -> Answer:
        asked = [m for m in body["messages"] if m["role"] == "user"][-1]["content"]
        if (found := meant(asked)) is None:  # what warms a server up
            return super()._take(body)
        sort, length, number = found[1], int(found[2]), int(found[3])
        if "title" in str(body["messages"][0]["content"]):
            sort, length = "title", 3
        with self._lock:
            self.calls[number] += 1
            first = self.calls[number] == 1
            answer = self._answer(sort, length, number, body, first=first)
            if isinstance(counts := answer.usage, Mapping):
                self.reported[number].append(_usage(counts))
        return answer

    def _answer(
        self, sort: str, length: int, number: int, body: Mapping[str, Any], first: bool
    ) -> Answer:
        counts = _counts(number, length)
        answered = any(message["role"] == "tool" for message in body["messages"])
        match sort:
            case "stopped":
                return Answer(tokens=length + 400, pace=40, usage=None)
            case "left":
                return Answer(tokens=length + 5, pace=100, usage=counts)
            case "cut":
                half = length // 2
                return Answer(tokens=length, fault="cut", fault_after=half, usage=None)
            case "failed":
                return Answer(status=400, usage=None)
            case "silent":
                return Answer(tokens=length, usage=None)
            case "again" if first:
                return Answer(status=503, usage=None)
            case "fallback" if body["model"] == DOWN:
                return Answer(status=503, usage=None)
            case "tools" if not answered:
                return Answer(calls=(_SUM,), usage=counts)
        return Answer(tokens=length, usage=counts)


def _counts(number: int, length: int) -> dict[str, Any]:
    """Different for each turn, with parts."""
    prompt = 20 + number % 13
    return {
        "prompt_tokens": prompt,
        "completion_tokens": length,
        "total_tokens": prompt + length,
        "prompt_tokens_details": {"cached_tokens": number % 5},
        "completion_tokens_details": {"reasoning_tokens": length // 3},
    }


def _usage(counts: Mapping[str, Any]) -> Usage:
    return Usage(
        counts["prompt_tokens"],
        counts["completion_tokens"],
        counts["prompt_tokens_details"]["cached_tokens"],
        counts["completion_tokens_details"]["reasoning_tokens"],
    )
