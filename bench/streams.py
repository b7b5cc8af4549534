"""Many turns at once through one server process: what they cost and whether all end.

`python -m bench.streams [--streams 100] [--server daphne|uvicorn]` starts a database,
a provider stand-in and the server of its own, on loopback, and prints one table. The
load client shares the machine with them: read the times as upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.sampling import Sampler, cpu_seconds
from bench.tenant import Prepared, prepare, stored_turns

TOKENS = 100
GAP_MS = 100
HOST = "bench.localhost"


@dataclass(slots=True)
class Reading:
    """One stream as its client saw it; times in seconds since the request."""

    first: float | None = None
    arrivals: list[float] = field(default_factory=list)
    text: str = ""
    finished: bool = False
    status: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.streams", description=__doc__
    )
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default=None)
    options = parser.parse_args()
    servers = [options.server] if options.server else ["daphne", "uvicorn"]
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        ExitStack() as up,
    ):
        Path(folder).chmod(0o755)  # as root the database runs as another user
        provider = up.enter_context(_provider())
        model = f"mock-{TOKENS}x{GAP_MS}ms-0ms"
        prepared = prepare(Path(folder), f"http://127.0.0.1:{provider}/v1", model)
        print(
            f"{options.streams} turns at once, {TOKENS} tokens each, every {GAP_MS} ms"
        )
        print(
            "| server | whole | stored | TTFT p50/p95 ms | gap p99 ms | CPU s | "
            "CPU ms/token | threads | connections | RSS MB |"
        )
        print("|" + " --- |" * 10)
        for server in servers:
            print(_measure(server, options.streams, prepared), flush=True)
    # The database's handle is given back at exit (config.postgres).


def _measure(server: str, streams: int, prepared: Prepared) -> str:
    with _server(server, prepared) as (port, pid):
        asyncio.run(_load(port, prepared.key, 1))  # the first call warms up LiteLLM
        before, stored_before = cpu_seconds(pid), stored_turns()
        with Sampler(pid) as seen:
            readings = asyncio.run(_load(port, prepared.key, streams))
        spent = cpu_seconds(pid) - before
        stored = stored_turns() - stored_before
    expected = "".join(f"w{i} " for i in range(TOKENS))
    whole = sum(r.finished and r.text == expected for r in readings)
    firsts = [r.first * 1000 for r in readings if r.first is not None]
    gaps = [
        (b - a) * 1000
        for r in readings
        for a, b in zip(r.arrivals, r.arrivals[1:], strict=False)
    ]
    cells = [
        server,
        f"{whole}/{streams}",
        f"{stored}/{streams}",
        f"{statistics.median(firsts):.0f} / {_percentile(firsts, 95):.0f}",
        f"{_percentile(gaps, 99):.0f}",
        f"{spent:.1f}",
        f"{spent * 1000 / (streams * TOKENS):.2f}",
        f"{seen.threads}",
        f"{seen.connections}",
        f"{seen.rss_mb:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


async def _load(port: int, key: str, streams: int) -> list[Reading]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await asyncio.gather(
            *(_one(session, port, key, number) for number in range(streams))
        )


async def _one(
    session: aiohttp.ClientSession, port: int, key: str, number: int
) -> Reading:
    reading = Reading()
    start = time.perf_counter()
    async with session.post(
        f"http://127.0.0.1:{port}/api/v1/chat",
        json={"message": f"Question {number}"},
        headers={"Host": f"{HOST}:{port}", "Authorization": f"Bearer {key}"},
        timeout=aiohttp.ClientTimeout(total=300),
    ) as response:
        reading.status = response.status
        async for line in response.content:
            if not line.startswith(b'data: {"'):
                continue
            part = json.loads(line[6:])
            if part["type"] == "text-delta":
                now = time.perf_counter() - start
                reading.first = reading.first or now
                reading.arrivals.append(now)
                reading.text += part["delta"]
            reading.finished = reading.finished or part["type"] == "finish"
    return reading


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values) or [float("nan")]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@contextmanager
def _provider() -> Iterator[int]:
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.provider", "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _server(name: str, prepared: Prepared) -> Iterator[tuple[int, int]]:
    """(port, process id) of one worker."""
    port = _free_port()
    if name == "daphne":
        command = [sys.executable, "-m", "config.web"]
    else:
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application"]
        command += ["--port", str(port), "--no-access-log", "--lifespan", "on"]
        command += ["--log-level", "warning"]
    process = subprocess.Popen(
        command,
        env={**os.environ, **prepared.environment, "PORT": str(port)},
        stdin=subprocess.PIPE,
    )
    try:
        asyncio.run(_ready(port))
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def _ready(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("The server did not become ready within a minute.")


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("The provider stand-in did not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
