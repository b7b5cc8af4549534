"""Searches in a tenant of 5,000 conversations and 100,000 messages, over HTTP.

`python -m bench.search [--messages 100000]` fills a database of its own with words that
are as common as a language's (few everywhere, most of them rare; one conversation in
fifty is in Han characters) and prints how long each kind of search takes, and what the
index costs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import psycopg

from bench.client import Target
from bench.contenders import parley
from bench.tenant import SCHEMA, prepare

IN_ONE = 20
_INDEXES = ("message_search", "message_pairs", "conversation_search")
WORDS = 30_000
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an")]
Random = random.Random


def word(number: int) -> str:
    """The `number`th most common word; each is another."""
    length = len(_SYLLABLES)
    return _SYLLABLES[number % length] + (
        word(number // length - 1) if number >= length else ""
    )


def fill(connection: psycopg.Connection[tuple[object, ...]], messages: int) -> None:
    """All belong to the tenant's owner, who so finds the most."""
    chance = random.Random(1)
    weights = list(itertools.accumulate(1 / (n + 10) for n in range(WORDS)))
    vocabulary = [word(number) for number in range(WORDS)]
    connection.execute(f"SET search_path = {SCHEMA}, extensions")
    with connection.cursor().copy(
        "COPY chat_conversation (id, owner_id, agent_id, title, message_count,"
        " total_tokens, last_message_at, last_message_preview, created_at, updated_at)"
        " FROM STDIN"
    ) as copy:
        for number in range(messages // IN_ONE):
            at = _FIRST + timedelta(minutes=number * 100)
            title = " ".join(chance.choices(vocabulary, cum_weights=weights, k=6))
            name = f"conversation-{number}"
            copy.write_row((name, 1, 1, title, IN_ONE, 0, at, "", at, at))
    with connection.cursor().copy(
        "COPY chat_message (id, conversation_id, parent_id, role, parts, text, status,"
        " error_code, model, finish_reason, prompt_tokens, completion_tokens,"
        " total_tokens, estimated, created_at) FROM STDIN"
    ) as copy:
        for row in _messages(chance, vocabulary, weights, messages):
            copy.write_row(row)
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE chat_message, chat_conversation")
    connection.execute("CHECKPOINT")  # or else it writes while we measure


def _messages(
    chance: Random, vocabulary: list[str], weights: list[float], messages: int
) -> Iterator[tuple[object, ...]]:
    for number in range(messages):
        within = number % IN_ONE
        conversation = number // IN_ONE
        at = _FIRST + timedelta(minutes=conversation * 100 + within)
        words = chance.choices(
            vocabulary,
            cum_weights=weights,
            k=chance.randint(100, 250) if within % 2 else 30,
        )
        text = " ".join(words)
        if conversation % 50 == 0:
            text = "".join(chr(0x4E00 + vocabulary.index(w) % 4000) for w in words)
        role = "assistant" if within % 2 else "user"
        parent = f"message-{number - 1}" if within else None
        yield (
            *(f"message-{number}", f"conversation-{conversation}", parent, role),
            *("[]", text, "complete", "", "", "", 0, 0, 0, False, at),
        )


def searches(chance: Random) -> dict[str, list[str]]:
    """Of each kind some that differ."""

    def rare() -> str:
        return word(chance.randint(3_000, WORDS - 1))

    def usual() -> str:
        return word(chance.randint(100, 1_000))

    def common() -> str:
        return word(chance.randint(0, 30))

    han = [chr(0x4E00 + n) for n in range(60)]
    return {
        "a rare word": [rare() for _ in range(50)],
        "a usual word": [usual() for _ in range(50)],
        "a word that is everywhere": [common() for _ in range(50)],
        "two usual words": [f"{usual()} {usual()}" for _ in range(50)],
        "three letters of a word": [usual()[:3] for _ in range(50)],
        "a phrase": [f'"{common()} {usual()}"' for _ in range(50)],
        "a phrase of words that are everywhere": [
            f'"{common()} {common()}"' for _ in range(50)
        ],
        "one word or another, without a third": [
            f"{usual()} or {usual()} -{common()}" for _ in range(50)
        ],
        "two Han characters": ["".join(chance.choices(han, k=2)) for _ in range(50)],
        "a word nobody wrote": [f"{rare()}xq" for _ in range(50)],
    }


async def _measure(server: Target) -> None:
    url = f"http://127.0.0.1:{server.port}/api/v1/search"
    everything: list[float] = []
    print("| search for | found | p50 ms | p95 ms | most |")
    print("|" + " --- |" * 5)
    async with aiohttp.ClientSession(headers=server.headers) as session:
        for asked in searches(random.Random(3)).values():  # a server that has worked
            for typed in asked[:10]:
                await (await session.get(url, params={"q": typed})).read()
        for kind, asked in searches(random.Random(2)).items():
            times: list[float] = []
            counts: list[int] = []
            for typed in asked:
                start = time.perf_counter()
                async with session.get(url, params={"q": typed}) as response:
                    answer = await response.json()
                    assert response.status == 200, answer
                times.append((time.perf_counter() - start) * 1000)
                counts.append(answer["count"])
            everything += times
            _print_line(kind, f"{sorted(counts)[len(counts) // 2]}", times)
        _print_line("all of these", "", everything)


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def _print_line(kind: str, count: str, times: list[float]) -> None:
    p50, p95 = _percentile(times, 50), _percentile(times, 95)
    print(
        f"| {kind} | {count} | {p50:.0f} | {p95:.0f} | {max(times):.0f} |", flush=True
    )


def _sizes(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    sizes: list[str] = []
    for name in ("chat_message", *_INDEXES):
        query = "SELECT pg_size_pretty(pg_total_relation_size(%s::regclass))"
        row = connection.execute(query, [f"{SCHEMA}.{name}"]).fetchone()
        sizes.append(f"`{name}` {row[0] if row else ''}")
    return ", ".join(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        Path(folder).chmod(0o755)  # as root the database runs as another user
        prepared = prepare(Path(folder), "http://127.0.0.1:9/v1")
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            start = time.perf_counter()
            fill(connection, options.messages)
            seconds = time.perf_counter() - start
            print(f"filled in {seconds:.0f} s", file=sys.stderr, flush=True)
            sizes = _sizes(connection)
        with parley(prepared, 9, 1) as running:  # no provider is asked
            asyncio.run(_measure(running.target("bench-1x1")))
        print(f"\nOn disk, with its indexes or as an index: {sizes}.")
    # The database's handle is given back at exit (config.postgres).


if __name__ == "__main__":
    main()
