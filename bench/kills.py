"""What a killed worker leaves behind: `python -m bench.kills [--rounds 10]`.

A hundred streams run through one of two workers, which is killed with -9 at a random
moment. The other one has to end every turn, with all text that was two seconds old and
one usage record each, and the conversations have to go on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psycopg

from bench.client import Seen, streamed
from bench.contenders import Running, parley, stand_in
from bench.tenant import SCHEMA, prepare

STREAMS = 100
# No turn may look alive for longer than that after its worker died.
STUCK_SECONDS = 30
# Text that was seen so long before is in the database.
FLUSHED_SECONDS = 2.0
_ROWS = f"""
    SELECT question.text, t.status, reply.status, reply.text, t.conversation_id,
        (SELECT count(*) FROM {SCHEMA}.usage_usagerecord u WHERE u.turn_id = t.id)
    FROM {SCHEMA}.chat_turn t
    JOIN {SCHEMA}.chat_message reply ON reply.id = t.reply_id
    JOIN {SCHEMA}.chat_message question ON question.id = reply.parent_id
    WHERE t.created_at >= %s
"""  # noqa: S608  # a constant


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        stand_in() as provider,
    ):
        Path(folder).chmod(0o755)  # as root the database runs as another user
        prepared = prepare(Path(folder), f"http://127.0.0.1:{provider}/v1")
        with parley(prepared, provider, 1) as survivor:
            print("| killed after s | interrupted | done | text kept | swept in s |")
            print("| --- | --- | --- | --- | --- |")
            for _ in range(options.rounds):
                with parley(prepared, provider, 1) as victim:
                    print(_round(victim, survivor), flush=True)


def _round(victim: Running, survivor: Running) -> str:
    delay = random.uniform(1, 8)
    asyncio.run(
        streamed(victim.target("bench-40x10"), 1, 0, 60)
    )  # it loads its engine first
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        row = database.execute("SELECT now()").fetchone()
        begun = row[0] if row else None
        killed, everything = asyncio.run(_load_and_kill(victim, delay))
        swept = _wait_until_over(database, begun) - killed
        rows = database.execute(_ROWS.encode(), [begun]).fetchall()
    kept = {question: text for question, _, _, text, _, _ in rows}
    lost = [
        number
        for number, seen in enumerate(everything)
        if not kept.get(f"Question {number}", "").startswith(_old(seen, killed))
    ]
    ends = [turn for _, turn, *_ in rows]
    assert {"interrupted", "done"} >= set(ends), ends
    assert {reply for _, _, reply, *_ in rows} <= {"interrupted", "complete"}
    assert {records for *_, records in rows} == {1}, "one usage record for each turn"
    assert not lost, f"the streams {lost} lost text"
    assert swept <= STUCK_SECONDS, f"a turn was stuck for {swept:.0f} s"
    for *_, conversation, _ in rows[:3]:
        _goes_on(survivor, conversation)
    return (
        f"| {delay:.1f} | {ends.count('interrupted')} | {ends.count('done')} "
        f"| {len(rows)} of {len(rows)} | {swept:.1f} |"
    )


async def _load_and_kill(victim: Running, delay: float) -> tuple[float, list[Seen]]:
    load = asyncio.create_task(streamed(victim.target("bench-200x50"), STREAMS, 1, 60))
    await asyncio.sleep(delay)
    os.kill(victim.pid, signal.SIGKILL)
    return time.perf_counter(), await load


def _old(seen: Seen, killed: float) -> str:
    """What a reader had long enough before."""
    return "".join(text for at, text in seen.texts if at < killed - FLUSHED_SECONDS)


def _wait_until_over(database: psycopg.Connection[Any], begun: Any) -> float:
    running = f"""
        SELECT count(*) FROM {SCHEMA}.chat_turn
        WHERE status IN ('pending', 'streaming') AND created_at >= %s
    """  # noqa: S608  # a constant
    deadline = time.perf_counter() + 2 * STUCK_SECONDS
    while time.perf_counter() < deadline:
        if database.execute(running.encode(), [begun]).fetchone() == (0,):
            return time.perf_counter()
        time.sleep(0.2)
    return time.perf_counter()


def _goes_on(server: Running, conversation: str) -> None:
    target = server.target("bench-40x10")
    body = {**target.body, "conversationId": conversation, "stream": False}
    request = Request(
        f"http://127.0.0.1:{target.port}{target.path}",
        json.dumps(body).encode(),
        {**target.headers, "Content-Type": "application/json"},
    )
    with urlopen(request, timeout=60) as answer:  # noqa: S310  # as above
        assert json.load(answer)["message"]["status"] == "complete"


if __name__ == "__main__":
    main()
