"""A key, of a provider or an MCP server, is nowhere to be read: not in the database,
an answer, a page or a log."""

from __future__ import annotations

import httpx
import psycopg
from psycopg import sql

from agents.models import Agent
from agents.models import Provider as ProviderRow
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.talk import CHAT, Talk
from tests.factories import PROVIDER_KEY, STAND_IN, point_agent
from tests.hostile_mcp import SECRET as MCP_SECRET
from tests.hostile_mcp import HostileMcp
from tests.provider import Answer, Provider
from tests.servers import LiveServer, session_cookie

NEXT_KEY = "sk-rotated-in-fedcba9876543210"
BAD_KEY = "sk-refused-by-the-provider-77"
KEYS = (PROVIDER_KEY, NEXT_KEY, BAD_KEY, MCP_SECRET)


def dump(url: str, schema: str) -> str:
    """All rows of all tables of a schema, as pg_dump writes them."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]
        ).fetchall()
        assert len(tables) > 10
        text = []
        for (table,) in tables:
            name = sql.Identifier(schema, table)
            copying = sql.SQL("COPY {} TO STDOUT").format(name)
            with connection.cursor().copy(copying) as rows:
                text += [bytes(row).decode() for row in rows]
    return "".join(text)


def said_of_mcp_servers(owner: httpx.Client, pages: httpx.Client) -> list[str]:
    """One of them repeats in its refusal what it was sent."""
    said: list[str] = []
    with HostileMcp() as mcp:
        for misdeed in ("plain", "refuse"):
            given = {
                "name": misdeed,
                "url": mcp.url(misdeed),
                "headers": {"Authorization": f"Bearer {MCP_SECRET}"},
            }
            made = owner.post("/api/v1/mcp-servers", json=given)
            assert made.json()["has_headers"] is True
            path = f"/api/v1/mcp-servers/{made.json()['id']}"
            said += [made.text, owner.post(f"{path}/test").text, owner.get(path).text]
            row = f"/admin/agents/mcpserver/{made.json()['id']}"
            said += [pages.get(f"{row}/{p}/").text for p in ("change", "history")]
    return [*said, pages.get("/admin/agents/mcpserver/").text]


def test_no_key_is_ever_readable(
    server: LiveServer, acme: Tenant, provider: Provider, database_url: str
) -> None:
    point_agent(acme, provider.url)
    with entered(acme.scope):
        stand_in = ProviderRow.objects.get(name=STAND_IN)
        agent = Agent.objects.get()
    said: list[str] = []
    api = f"/api/v1/providers/{stand_in.pk}"
    with (
        Talk(server, acme, provider) as talk,
        server.client(acme, "owner") as owner,
        server.client(acme, cookies=session_cookie(acme, "owner")) as pages,
    ):
        talk.send("With the first key")
        rotated = owner.post(f"{api}/rotate", json={"api_key": NEXT_KEY})
        assert rotated.json()["has_key"] is True
        said.append(rotated.text)
        # A provider that repeats the key in its refusal.
        provider.enqueue(*[Answer(status=401, error_message=f"bad {NEXT_KEY}")] * 2)
        said += [
            "".join(talk.send("Refused").frames),
            owner.post(f"{api}/test", json={}).text,
        ]
        made = {"name": "two", "kind": "openai", "api_key": BAD_KEY, "base_url": "x"}
        said.append(owner.post("/api/v1/providers", json=made).text)
        for path in (api, f"{api}/keys", f"{api}/models", "/api/v1/models", CHAT):
            answer = owner.get(path)
            assert answer.is_success, answer.text
            said.append(answer.text)
        row = f"/admin/agents/provider/{stand_in.pk}"
        for path in ("change", "keys", "check", "models", "history"):
            shown = pages.get(f"{row}/{path}/")
            assert shown.status_code == 200, path
            said.append(shown.text)
        said.append(pages.get(f"/admin/agents/agent/{agent.pk}/try/").text)
        said += said_of_mcp_servers(owner, pages)
    for name in (acme.schema_name, "public"):
        said.append(dump(database_url, name))
    said.append(server.output())
    assert "provider tested" in said[-1], "the log was read"
    assert "MCP server failed" in said[-1]
    found = [key for key in KEYS for text in said if key in text]
    assert found == []
