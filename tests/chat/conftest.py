"""People who talk to live servers; see tests/chat/talk.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tenants.models import Tenant
from tests.chat.talk import CHAT, Talk
from tests.factories import point_agent
from tests.mcp_server import McpStandIn
from tests.provider import Provider
from tests.servers import LiveServer

WARM_UP = "warm-up-0"


@pytest.fixture
def each_talk(
    each_server: LiveServer, acme: Tenant, provider: Provider
) -> Iterator[Talk]:
    """The test runs once on each kind of server."""
    point_agent(acme, provider.url)
    with Talk(each_server, acme, provider) as talk:
        yield talk


@pytest.fixture
def talk(server: LiveServer, acme: Tenant, provider: Provider) -> Iterator[Talk]:
    point_agent(acme, provider.url)
    with Talk(server, acme, provider) as person:
        yield person


@pytest.fixture(scope="session")
def _mcp_stand_in() -> Iterator[McpStandIn]:
    with McpStandIn() as running:
        yield running


@pytest.fixture
def mcp(_mcp_stand_in: McpStandIn) -> McpStandIn:
    """A real MCP server on this machine."""
    _mcp_stand_in.calls.clear()
    return _mcp_stand_in


@pytest.fixture(scope="session")
def _hasty_server(database_url: str, session_folder: Path) -> Iterator[LiveServer]:
    server = LiveServer(
        "daphne",
        database_url,
        session_folder,
        TURN_CONNECT_TIMEOUT="1",
        TURN_FIRST_TOKEN_TIMEOUT="3",
        TURN_IDLE_TIMEOUT="1.5",
        TURN_TOTAL_TIMEOUT="8",
        SSE_KEEP_ALIVE="0.2",
    )
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
def hasty(
    committed: None, _hasty_server: LiveServer, acme: Tenant, provider: Provider
) -> Iterator[Talk]:
    """At a server with short limits and frequent keep-alives."""
    point_agent(acme, provider.url)
    with Talk(_hasty_server, acme, provider) as talk:
        # A process's first turn loads the engine and may be too slow for the limits.
        while talk.send(conversationId=WARM_UP).kinds[-1] != "finish":
            pass
        assert talk.client.delete(f"{CHAT}/{WARM_UP}?purge=true").is_success
        provider.requests.clear()
        _hasty_server.output()  # only what this test makes it say is of interest
        yield talk
