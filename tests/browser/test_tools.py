"""Calls of tools on the chat page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from agents.models import Agent
from agents.services import create_mcp_server, update_agent
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.site import TEXT, Site, ask, wait_until_over
from tests.mcp_server import McpStandIn
from tests.provider import Answer, Provider


@pytest.mark.parametrize(
    ("button", "shown"),
    [("Allow", r"^done · [\d.]+ m?s$"), ("Do not allow", "^not allowed$")],
)
def test_a_person_decides_on_a_call_and_a_reload_shows_the_same(
    site: Site, acme: Tenant, provider: Provider, button: str, shown: str
) -> None:
    with McpStandIn() as mcp:
        with entered(acme.scope):
            create_mcp_server(name="docs", url=mcp.url, approval="always")
            update_agent(agent=Agent.objects.get(), author=None, tools=["docs__shout"])
        calls = (("docs__shout", "{}"),)
        provider.enqueue(Answer(text="May I?", calls=calls), Answer(text="**Well.**"))
        with site.page() as page:
            page.goto("/")
            ask(page, "Shout")
            call = page.locator(".tool")
            expect(call).to_contain_text("waiting for you")
            wait_until_over(page)
            call.get_by_role("button", name=button, exact=True).click()
            expect(page.locator(TEXT).locator("strong")).to_have_text("Well.")
            wait_until_over(page)
            expect(call.locator(".tool-state")).to_have_text(re.compile(shown))
            grown = page.locator(TEXT).inner_text()
            assert grown.startswith("May I?")
            page.reload()
            expect(call.locator(".tool-state")).to_have_text(re.compile(shown))
            assert page.locator(TEXT).inner_text() == grown
            if button == "Allow":
                call.locator("summary").click()
                expect(call).to_contain_text("<script>alert(1)</script>")
            assert page.locator(".tool script").count() == 0
