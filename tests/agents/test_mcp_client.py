"""MCP servers that hang, flood, lie or change, asked by the client alone."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pytest_django.fixtures import Settings

from agents.mcp import client
from agents.mcp.resolving import ServerAddress
from agents.tools.base import ToolContext, ToolError
from agents.tools.running import call
from llm import session
from tenants.db import PUBLIC
from tests.hostile_mcp import SECRET, HostileMcp
from tests.servers import ROOT

T = TypeVar("T")
CONTEXT = ToolContext(PUBLIC, 1)
# In seconds, where the limit itself is not under test.
PATIENCE = 20.0


@pytest.fixture
def mcp() -> Iterator[HostileMcp]:
    session.tls_context()  # takes seconds, once
    with HostileMcp() as running:
        yield running


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What admins would be told of a server's health."""
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(client, "_listings", {})
    monkeypatch.setattr(client, "note_health", lambda *given: told.append(given))
    return told


def server(mcp: HostileMcp, misdeed: str, **changes: Any) -> ServerAddress:
    address = ServerAddress(
        scope=PUBLIC,
        id=1,
        name="docs",
        url=mcp.url(misdeed),
        command="",
        headers=(("Authorization", f"Bearer {SECRET}"),),
        needs_approval=False,
        allowed=frozenset(),
        seconds=PATIENCE,
        version="1",
    )
    return replace(address, **changes)


def run(work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await work()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("misdeed", "told"),
    [
        *(("html", "refused"), ("refuse", "refused"), ("hang", "in time")),
        *(("move", "refused"), ("gzip", "cannot be reached"), ("long", "ended")),
    ],
)
def test_a_server_that_cannot_be_asked_is_told_in_our_words(
    mcp: HostileMcp, misdeed: str, told: str
) -> None:
    seconds = 1.0 if misdeed == "hang" else PATIENCE
    listing = run(lambda: client.ask(server(mcp, misdeed, seconds=seconds)))
    assert told in listing.failure
    assert listing.tools == {}
    assert SECRET not in listing.failure
    assert "/plain" not in mcp.reached, "no redirect is followed"


def test_only_tools_that_every_provider_takes_are_offered(mcp: HostileMcp) -> None:
    listing = run(lambda: client.ask(server(mcp, "odd")))
    assert listing.failure == ""
    assert list(listing.tools) == ["docs__add", "docs___last"]
    added = listing.tools["docs__add"]
    assert added.schema == {"type": "object", "properties": {}}
    assert added.description.startswith("abcc")
    assert len(added.description) <= 2_000


def test_a_list_of_tools_that_never_ends_is_read_to_a_limit(mcp: HostileMcp) -> None:
    listing = run(lambda: client.ask(server(mcp, "pages", seconds=PATIENCE)))
    assert mcp.asked == 20
    assert len(listing.tools) == 100


@pytest.mark.parametrize(
    ("misdeed", "told"),
    [
        *(
            ("flood", "ended|within"),
            ("lie", "within 3 seconds"),
            ("garbage", "no sense"),
        ),
        *(("wrong", "no sense"), ("squeezed", "cannot be reached")),
    ],
)
def test_an_answer_that_is_none_is_a_failed_call(
    mcp: HostileMcp, misdeed: str, told: str
) -> None:
    async def use() -> str:
        seconds = 3.0 if misdeed == "lie" else PATIENCE
        tools = await client.tools_of(server(mcp, misdeed, seconds=seconds))
        return await call(tools["docs__add"], CONTEXT, {})

    with pytest.raises(ToolError, match=told) as failed:
        run(use)
    assert SECRET not in str(failed.value)


def test_what_a_server_would_say_unasked_is_not_listened_to(mcp: HostileMcp) -> None:
    async def use() -> str:
        tools = await client.tools_of(server(mcp, "plain"))
        return await call(tools["docs__add"], CONTEXT, {})

    assert run(use) == '{"a":[1]}'
    assert "GET /plain" not in mcp.reached


def test_many_turns_at_once_ask_a_server_once(
    mcp: HostileMcp, noted: list[tuple[Any, ...]]
) -> None:
    async def use() -> None:
        address = server(mcp, "plain")
        first = asyncio.create_task(client.tools_of(address))
        others = [client.tools_of(address) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()  # a turn that is stopped
        for tools in await asyncio.gather(*others):
            assert list(tools) == ["docs__add"]

    run(use)
    assert mcp.asked == 1
    assert noted == [(1, 1, "")]


def test_a_server_that_hangs_keeps_only_the_first_turn_waiting(
    mcp: HostileMcp, noted: list[tuple[Any, ...]]
) -> None:
    async def use() -> None:
        for _ in range(3):
            assert await client.tools_of(server(mcp, "hang", seconds=0.5)) == {}

    run(use)
    assert mcp.asked <= 1  # the first may be too late for a request
    assert noted == [(1, 0, "it did not answer in time.")]


def test_a_tool_that_is_gone_fails_and_its_server_can_be_asked_again(
    mcp: HostileMcp,
) -> None:
    async def use() -> None:
        tools = await client.tools_of(server(mcp, "garbage"))
        mcp.is_changed = True
        with pytest.raises(ToolError):
            await call(tools["docs__add"], CONTEXT, {})
        # Known for a minute, and anew where the admin has saved the server since.
        assert await client.tools_of(server(mcp, "garbage")) == tools
        assert await client.tools_of(server(mcp, "garbage", version="2")) == {}

    run(use)


def test_a_name_that_leads_elsewhere_a_moment_later_is_not_followed(
    mcp: HostileMcp, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it is looked at, and private when it is connected to."""
    settings.ALLOW_PRIVATE_ADDRESSES = False
    looked: list[str] = []

    def getaddrinfo(host: str, port: Any, *args: Any, **options: Any) -> list[Any]:
        looked.append(host)
        address = "127.0.0.1" if looked.count(host) > 1 else "203.0.113.7"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(
        "agents.mcp.transport.is_public", lambda address: address == "203.0.113.7"
    )
    listing = run(
        lambda: client.ask(
            server(mcp, "plain", url=mcp.url("plain", "rebinding.example"), seconds=1.0)
        )
    )
    assert listing.failure
    assert mcp.reached == []


def test_programs_are_started_only_where_the_operator_allows_them(
    mcp: HostileMcp, settings: Settings
) -> None:
    settings.ALLOW_STDIO_TOOLS = False
    program = server(mcp, "", url="", command="touch /nowhere")
    listing = run(lambda: client.ask(program))
    assert listing.failure == "The operator allows no programs as servers."


def program(**changes: Any) -> ServerAddress:
    address = ServerAddress(
        scope=PUBLIC,
        id=2,
        name="program",
        url="",
        command=f"{sys.executable} {ROOT / 'tests' / 'stdio_mcp.py'}",
        headers=(),
        needs_approval=False,
        allowed=frozenset(),
        seconds=120.0,
        version="1",
    )
    return replace(address, **changes)


def test_a_program_is_a_server_where_the_operator_allows_it(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings.ALLOW_STDIO_TOOLS = True
    monkeypatch.setenv("CREDENTIAL_KEYS", SECRET)
    monkeypatch.setattr(client, "_LIST_SECONDS", 120.0)

    async def use() -> tuple[str, str]:
        tools = (await client.ask(program())).tools
        assert list(tools) == ["program__add", "program__environment"]
        return (
            await call(tools["program__add"], CONTEXT, {"a": 2, "b": 40}),
            await call(tools["program__environment"], CONTEXT, {}),
        )

    added, names = run(use)
    assert added == "42"
    assert "PATH" in names.split()
    assert "CREDENTIAL_KEYS" not in names.split()
    assert "chatter" not in "".join(capfd.readouterr())


def test_no_program_is_run_where_the_operator_allows_none(
    settings: Settings, tmp_path: Path
) -> None:
    settings.ALLOW_STDIO_TOOLS = False
    trace = tmp_path / "was-run"
    listing = run(lambda: client.ask(program(command=f"touch {trace}")))
    assert (listing.tools, listing.failure) == (
        {},
        "The operator allows no programs as servers.",
    )
    assert not trace.exists()


def test_a_program_that_is_none_is_told(settings: Settings) -> None:
    settings.ALLOW_STDIO_TOOLS = True
    for command in ("/nowhere/no-program", "true"):
        listing = run(partial(client.ask, program(command=command, seconds=3.0)))
        assert listing.tools == {}
        assert listing.failure
