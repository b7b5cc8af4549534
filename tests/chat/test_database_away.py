"""The database goes away in mid-stream and comes back: readers notice nothing, and the
reply is stored once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from config.postgres import EmbeddedPostgres
from tests.chat.talk import CHAT, Stream
from tests.provider import Answer, Provider
from tests.servers import ROOT, LiveServer, server_environment

SLUG = "away"
HOST = f"{SLUG}.localhost"
MODEL = "some-model"
_AGENT = """
from agents.models import Agent, Provider
from agents.services import revise_agent, set_provider_key
from tenants.db import entered
from tenants.services import tenant_by_slug
with entered(tenant_by_slug({slug!r}).scope):
    provider = Provider.objects.create(
        name="standin", kind="openai_compatible", base_url={url!r},
        model_names=[{model!r}],
    )
    set_provider_key(provider=provider, api_key="sk-away-0123456789")
    revise_agent(
        agent=Agent.objects.get(), system_prompt="", author=None,
        model="standin/" + {model!r}, parameters={{}},
    )
"""


class OwnDatabase:
    """A PostgreSQL for this test alone, to be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = EmbeddedPostgres(folder / "postgres")
        self.url = self._server.join()

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=server_environment(self.url, self.folder),
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def stop(self) -> None:
        """As an administrator would: connections are cut, data is safe."""
        pid = int((self.folder / "postgres/data/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        while True:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                time.sleep(0.05)
                continue
            return

    def start(self) -> None:
        self._server.leave()
        self._server = EmbeddedPostgres(self.folder / "postgres")
        assert self._server.join() == self.url

    def leave(self) -> None:
        self._server.leave()


@pytest.fixture
def database() -> Iterator[OwnDatabase]:
    # Not pytest's folder: as root the database runs as another user.
    with tempfile.TemporaryDirectory(prefix="parley-away-") as folder:
        Path(folder).chmod(0o755)
        own = OwnDatabase(Path(folder))
        yield own
        own.leave()


@pytest.fixture
def client(database: OwnDatabase, provider: Provider) -> Iterator[httpx.Client]:
    owner = f"owner@{SLUG}.test"
    database.manage("migrate_schemas", "-v0")
    database.manage("create_tenant", SLUG, "--owner", owner)
    agent = _AGENT.format(slug=SLUG, url=provider.url, model=MODEL)
    database.manage("shell", "-v0", "-c", agent)
    key = database.manage("create_api_key", "--tenant", SLUG, "--user", owner)
    server = LiveServer("uvicorn", database.url, database.folder)
    try:
        server.wait_ready()
        with server.client(HOST, headers={"Authorization": f"Bearer {key}"}) as client:
            yield client
    finally:
        server.stop()


@pytest.mark.long
def test_a_turn_goes_on_without_the_database_and_is_stored_once(
    database: OwnDatabase, client: httpx.Client, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=80, pace=20))
    whole = "".join(f"w{i} " for i in range(80))
    with client.stream("POST", CHAT, json={"message": "Hello"}) as response:
        stream = Stream(response)
        read_to(stream, "w9 ")
        database.stop()
        read_to(stream, "w39 ")  # tokens keep flowing meanwhile
        refused = client.post(CHAT, json={"message": "Now?"})
        assert refused.status_code == 503
        assert refused.json()["code"] == "database_unavailable"
        assert int(refused.headers["Retry-After"]) > 0
        read_to(stream, "w79 ")  # the provider's last word
        time.sleep(3)  # long enough for several vain attempts to store it
        database.start()
        stream.rest()
    assert stream.text == whole
    assert stream.kinds[-1] == "finish"
    detail = client.get(f"{CHAT}/{stream.conversation_id}").json()
    reply, question = detail["messages"]["results"]
    assert (question["text"], reply["text"]) == ("Hello", whole)
    assert reply["status"] == "complete"
    assert detail["total_tokens"] == reply["total_tokens"]
    assert count(database, "usage_usagerecord") == 1
    assert count(database, "chat_turn") == 1
    provider.enqueue(Answer())
    with client.stream("POST", CHAT, json={"message": "And now?"}) as response:
        assert Stream(response).rest().text == "w0 w1 w2 "


def read_to(stream: Stream, word: str) -> None:
    """Words that come together are one part, so parts cannot be counted."""
    while word not in stream.text:
        stream.until("text-delta")


def count(database: OwnDatabase, table: str) -> int:
    with psycopg.connect(database.url) as connection:
        query = f"SELECT count(*) FROM t_{SLUG}.{table}"  # noqa: S608  # constants
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])
