"""What a chunk and a call cost on each lane: CPU of this process, which only reads.

`python -m bench.lanes [--streams 50] [--calls 100]` starts a provider stand-in in a
process of its own and prints one table: a chunk when so many streams of 20 chunks a
second run at once, a chunk when 16 come with a read, a call of 5 chunks. Medians; the
cost of the calls is taken off that of the chunks.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager

import aiohttp

from llm import preload
from llm.client import Client, Endpoint, LiteLLMClient, Prompt
from llm.events import Finished
from llm.fast import FastClient
from llm.lanes import Lane

RUNS = 3
SHORT = 5  # chunks of a call when calls are measured
LONG = 40  # chunks of one of many streams
GAP_US = 50_000
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a lane?"},
]
Work = Callable[[str], Awaitable[int]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lanes", description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    preload()
    with _server() as address:
        asyncio.run(_measure(address, options.streams, options.calls))


@contextmanager
def _server() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.lane_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


async def _measure(address: str, streams: int, calls: int) -> None:
    fast, middle = FastClient(), FastClient({"*": Lane.MIDDLE})
    slow = LiteLLMClient()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0)
    ) as session:
        lanes: list[tuple[str, Work]] = [("bytes alone", _bytes(session, address))]
        for name in ("openai", "anthropic", "gemini"):
            lanes.append((f"{name}, own parser", _client(fast, name, address)))
        lanes.append(("openai, middle", _client(middle, "openai", address)))
        lanes.append(("ollama_chat, middle", _client(fast, "ollama_chat", address)))
        for name in ("openai", "anthropic", "gemini"):
            lanes.append((f"{name}, LiteLLM", _client(slow, name, address)))
        print(f"| lane | µs a chunk, {streams} streams | 16 a read | µs a call |")
        print("| --- | --- | --- | --- |")
        for label, work in lanes:
            call = await _cost(work, f"{SHORT}-{SHORT}-0", calls, 1) / calls
            many = await _cost(work, f"{LONG}-1-{GAP_US}", 1, streams)
            packed = await _cost(work, "1600-16-2000", 1, 1)
            alone = (many - streams * call) / (streams * LONG)
            print(
                f"| {label} | {alone:.1f} | {(packed - call) / 1600:.1f} "
                f"| {call:.0f} |",
                flush=True,
            )
    await fast.aclose()


async def _cost(work: Work, model: str, rounds: int, at_once: int) -> float:
    """Microseconds of CPU for so many rounds of so many calls at once."""
    await work(model)
    costs = []
    for _ in range(RUNS):
        before = time.process_time()
        for _ in range(rounds):
            counts = await asyncio.gather(*(work(model) for _ in range(at_once)))
            assert set(counts) == {int(model.partition("-")[0])}
        costs.append((time.process_time() - before) * 1e6)
    return statistics.median(costs)


def _client(client: Client, provider: str, address: str) -> Work:
    base = address if provider in {"anthropic", "ollama_chat"} else f"{address}/v1"
    endpoint = Endpoint(provider, "bench", base)

    async def work(model: str) -> int:
        count = 0
        async with aclosing(client.stream(Prompt(endpoint, model, MESSAGES))) as events:
            async for event in events:
                if not isinstance(event, Finished):
                    count += 1
        return count

    return work


def _bytes(session: aiohttp.ClientSession, address: str) -> Work:
    """A reader that knows nothing of events: what aiohttp alone costs."""

    async def work(model: str) -> int:
        async with session.post(
            f"{address}/v1/chat/completions", json={"model": model}
        ) as response:
            async for _ in response.content.iter_any():
                pass
        return int(model.partition("-")[0])

    return work


if __name__ == "__main__":
    main()
