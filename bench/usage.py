"""How fast sums and downloads are at a million records: `python -m bench.usage`.

Fills a tenant by generate_series, rolls the ledger up, and asks the API of a server.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psycopg

from bench.sampling import Sampler
from bench.tenant import SCHEMA, prepare

_FILL = f"""
INSERT INTO {SCHEMA}.usage_usagerecord (user_id, agent_id, kind, model, model_answered,
    conversation_id, message_id, turn_id, call, prompt_tokens, cached_tokens,
    completion_tokens, reasoning_tokens, total_tokens, input_price, output_price, cost,
    currency, estimated, status, ttft_ms, duration_ms, note, created_at)
SELECT 1 + person, 1 + (person + n / 7 %% 2) %% 5, 'reply',
    'provider/model-' || (person + n / 5 %% 2) %% 4, '',
    'conversation-' || n / 10, 'message-' || n, 'turn-' || n, 0, 900, 100, 250, 0, 1150,
    0.15, 0.6, 0.0003, 'USD', n %% 10 = 0,
    CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'done' END, 400, 5000, '',
    now() - (random() * %(days)s)::int * interval '1 day'
FROM (SELECT n, (random() * (%(users)s - 1))::int AS person
      FROM generate_series(1, %(records)s) AS n) AS drawn
"""  # noqa: S608  # constants
_QUERIES = (
    "summary",
    "summary?group_by=user",
    "summary?group_by=model",
    "summary?from={far}&group_by=day",
    "summary?from={far}&group_by=month",
    "summary?from={far}&group_by=agent",
    "summary?from={far}&group_by=user",
    "records",
    "statement?format=csv",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--repeat", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        ready = prepare(Path(folder), "http://127.0.0.1:9/v1")
        _fill(asked.records, asked.users, asked.days)
        port = _free_port()
        server = subprocess.Popen(
            [sys.executable, "-m", "config.web", "--workers", "1"],
            env={
                **os.environ,
                **ready.environment,
                "PORT": str(port),
                "BIND": "127.0.0.1",
            },
            stdin=subprocess.PIPE,  # it ends when this closes
            stderr=subprocess.DEVNULL,
        )
        try:
            _measure(port, ready.key, asked.days, asked.repeat, server.pid)
        finally:
            server.terminate()
            server.wait()


def _fill(records: int, users: int, days: int) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as db:
        drawn = {"users": users, "records": records, "days": days - 1}
        db.execute(_FILL.encode(), drawn)
        db.execute(f"ANALYZE {SCHEMA}.usage_usagerecord".encode())
    begun = time.perf_counter()
    command = [sys.executable, "manage.py", "roll_up_usage", "--tenant", "bench"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as db:
        for table in ("usage_dailyusage", "usage_monthlyusage"):
            db.execute(f"VACUUM ANALYZE {SCHEMA}.{table}".encode())
        count = f"SELECT count(*) FROM {SCHEMA}.usage_dailyusage"  # noqa: S608  # a constant
        row = db.execute(count.encode()).fetchone()
        print(
            f"{records:,} records of {users} people in {days} days, "
            f"{row[0] if row else 0:,} rows of sums, made again and compared in "
            f"{seconds:.0f} s.\n"
        )


def _measure(port: int, key: str, days: int, repeat: int, pid: int) -> None:
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}/api/v1/usage/",
        headers={"Host": "bench.localhost", "Authorization": f"Bearer {key}"},
        timeout=300,
        trust_env=False,
    )
    with client:
        _wait_ready(client, port)
        began = time.time() - (days - 1) * 86_400
        far = time.strftime("%Y-%m-%d", time.gmtime(began))
        print("| asked | p50 ms | p95 ms |\n| --- | --- | --- |")
        for query in _QUERIES:
            path = query.format(far=far)
            times = [_ask(client, path) for _ in range(repeat + 1)][1:]
            p95 = statistics.quantiles(times, n=20)[-1]
            p50 = statistics.median(times)
            shown = query.format(far=f"<{days - 1} days ago>")
            print(f"| `{shown}` | {p50 * 1000:.0f} | {p95 * 1000:.0f} |", flush=True)
        _download(client, f"records?format=csv&from={far}", pid)


def _ask(client: httpx.Client, path: str) -> float:
    begun = time.perf_counter()
    assert client.get(path).status_code == 200
    return time.perf_counter() - begun


def _download(client: httpx.Client, path: str, pid: int) -> None:
    begun, size = time.perf_counter(), 0
    with Sampler(pid) as sampler, client.stream("GET", path) as answer:
        for piece in answer.iter_raw():
            size += len(piece)
    seconds = time.perf_counter() - begun
    print(
        f"\nAll records as CSV: {size / 1e6:.0f} MB in {seconds:.0f} s; the server's "
        f"memory grew from {sampler.rss_before // 1024} "
        f"to at most {sampler.rss // 1024} MB, "
        f"with {sampler.connections} connections."
    )


def _wait_ready(client: httpx.Client, port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if client.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("the server did not become ready")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
