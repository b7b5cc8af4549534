"""How fast a full tenant answers: one person's 5,000 conversations, one of them 5,000
messages deep, 100,000 messages in all.

`python -m bench.conversations [--rounds 60]` starts a database, a provider stand-in and
one uvicorn of its own, on loopback, and prints one table. One client asks, one request
at a time.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx

from bench.contenders import parley, stand_in
from bench.tenant import SCHEMA, prepare
from bench.volume import Volume, fill

DEEP = "/api/v1/chat/volume-1"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.conversations", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    volume = Volume()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        ExitStack() as up,
    ):
        Path(folder).chmod(0o755)  # as root the database runs as another user
        port = up.enter_context(stand_in())
        prepared = prepare(Path(folder), f"http://127.0.0.1:{port}/v1")
        began = time.perf_counter()
        fill(SCHEMA, volume)
        took = time.perf_counter() - began
        print(
            f"{volume.conversations} conversations, {volume.messages} messages,"
            f" filled in {took:.0f} s"
        )
        target = up.enter_context(parley(prepared, port, 1)).target("bench-1x0")
        client = up.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{target.port}",
                headers=target.headers,
                timeout=60,
            )
        )
        print("| request | p50 ms | p95 ms |")
        print("| --- | --- | --- |")
        for name, ask in _requests(client).items():
            print(_measure(name, ask, rounds), flush=True)


def _requests(client: httpx.Client) -> dict[str, Callable[[], httpx.Response]]:
    """Each by its name in the table."""
    chance = random.Random(7)
    again = {
        "id": "volume-1",
        "messages": [],
        "trigger": "regenerate-message",
        "model": "standin/bench-1x0",
        "stream": False,
    }

    def some() -> str:
        return f"/api/v1/chat/volume-{chance.randrange(2, 5_000)}"

    def switch() -> httpx.Response:
        message = f"volume-1-{chance.choice((2, 3))}"
        return client.patch(DEEP, json={"active_leaf": message})

    return {
        "list": lambda: client.get("/api/v1/chat"),
        "list, 100 from 4,900": lambda: client.get(
            "/api/v1/chat?limit=100&offset=4900"
        ),
        "list, pinned": lambda: client.get("/api/v1/chat?pinned=true"),
        "detail": lambda: client.get(some()),
        "detail, 5,000 deep": lambda: client.get(DEEP),
        "detail, 5,000 deep, all branches": lambda: client.get(f"{DEEP}?branch=all"),
        "detail, 5,000 deep, last page": lambda: client.get(
            f"{DEEP}?limit=100&offset=4600"
        ),
        "history, 5,000 deep": lambda: client.get(f"{DEEP}/messages"),
        "regenerate, 5,000 deep": lambda: client.post("/api/v1/chat", json=again),
        "switch the branch, 5,000 deep": switch,
    }


def _measure(name: str, ask: Callable[[], httpx.Response], rounds: int) -> str:
    times: list[float] = []
    for _ in range(rounds + 5):  # the first ones fill caches
        began = time.perf_counter()
        answer = ask()
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
    ordered = sorted(times[5:])
    p95 = ordered[len(ordered) * 95 // 100]
    return f"| {name} | {statistics.median(ordered):.1f} | {p95:.1f} |"


if __name__ == "__main__":
    main()
