"""Streams cost neither threads nor connections, however many there are."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.chat.talk import CHAT, Talk
from tests.provider import Answer

AT_ONCE = 30
SPARE = 4  # pools may grow by a thread or two on their way to their own limit

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="counts threads in /proc"
)


def threads_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("Threads:")[2].split()[0])


def connections(url: str) -> int:
    """Of everybody else to this database."""
    with psycopg.connect(url) as own:
        found = own.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert found is not None
    return int(found[0])


async def hold(talk: Talk, count: int, url: str) -> tuple[int, int, list[str]]:
    """Threads and connections while `count` streams are open, and what came of
    them."""
    for _ in range(count):
        talk.provider.enqueue(Answer(tokens=3, fault="stall", fault_after=2))
    async with httpx.AsyncClient(
        base_url=talk.server.url,
        headers=talk.client.headers,
        trust_env=False,
        timeout=60,
        limits=httpx.Limits(max_connections=None),
    ) as client:
        begun: asyncio.Queue[str] = asyncio.Queue()
        readers = [asyncio.create_task(read(client, begun)) for _ in range(count)]
        ids = [await begun.get() for _ in range(count)]
        threads = threads_of(talk.server.pid)
        used = await asyncio.to_thread(connections, url)
        for conversation in ids:
            stopped = await client.post(f"{CHAT}/{conversation}/stop")
            assert stopped.status_code == 204
        ends = await asyncio.gather(*readers)
    return threads, used, ends


async def read(client: httpx.AsyncClient, begun: asyncio.Queue[str]) -> str:
    """The last part; tells the conversation once text has come."""
    conversation, last = "", ""
    async with client.stream("POST", CHAT, json={"message": "Hello"}) as response:
        async for line in response.aiter_lines():
            if '"type":"start"' in line:
                _, _, rest = line.partition('"conversationId":"')
                conversation = rest.partition('"')[0]
            if '"text-delta"' in line and conversation:
                begun.put_nowait(conversation)
                conversation = ""
            if line.startswith("data: {"):
                last = line
    return last


def test_thirty_streams_need_no_more_threads_than_a_few(
    each_talk: Talk, database_url: str
) -> None:
    few, few_connections, _ = asyncio.run(hold(each_talk, 8, database_url))
    threads, used, ends = asyncio.run(hold(each_talk, AT_ONCE, database_url))
    assert threads <= few + SPARE
    assert threads <= 25
    assert used <= few_connections + SPARE
    assert ends == ['data: {"type":"abort","reason":"stopped"}'] * AT_ONCE
    assert each_talk.provider.max_open_streams == AT_ONCE
