"""Two tenants with the same ids, two hundred requests at once: no foreign row."""

from __future__ import annotations

import asyncio

import httpx

from accounts.services import create_api_key
from agents.services import create_agent, update_agent
from chat.models import Conversation
from tenants.db import entered
from tenants.models import Tenant
from tests.factories import person
from tests.servers import LiveServer, host_of, session_cookie


def furnish(tenant: Tenant) -> str:
    """Rows whose ids are the same in both tenants and whose texts are not; a key."""
    slug = tenant.slug
    with entered(tenant.scope):
        member = person(tenant, "member")
        agent = create_agent(slug="same", name=slug, model="local/smollm2-135m")
        update_agent(agent=agent, author=None, system_prompt=f"You work for {slug}.")
        Conversation.objects.create(
            pk="conversation-1", owner=member, agent=agent, title=slug
        )
        return create_api_key(user=member, name=slug)[1]


PATHS = ("keys", "agents/same", "chat", "chat/conversation-1")


def test_two_hundred_requests_of_two_tenants(
    each_server: LiveServer, acme: Tenant, globex: Tenant
) -> None:
    tenants = (acme, globex)
    keys = [furnish(tenant) for tenant in tenants]
    cookies = [session_cookie(tenant, "member") for tenant in tenants]

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        which = number % 2
        headers = {"Host": f"{host_of(tenants[which])}:{each_server.port}"}
        if number % 3:
            headers["Authorization"] = f"Bearer {keys[which]}"
        else:
            [(name, value)] = cookies[which].items()
            headers["Cookie"] = f"{name}={value}"
        path = PATHS[number // 2 % len(PATHS)]
        answer = await client.get(f"/api/v1/{path}", headers=headers)
        # Every answer names its own tenant somewhere, and never the other.
        assert answer.status_code == 200, answer.text
        assert tenants[which].slug in answer.text
        assert tenants[1 - which].slug not in answer.text

    async def storm() -> None:
        async with httpx.AsyncClient(
            base_url=each_server.url,
            timeout=120,
            limits=httpx.Limits(max_connections=200),
            trust_env=False,
        ) as client:
            await asyncio.gather(*(ask(client, number) for number in range(200)))

    asyncio.run(storm())
