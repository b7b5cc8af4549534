"""The tenant's admin in a real Chromium: no fault on any page, and the way from nothing
to an agent that answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, expect

from agents.models import Agent, Provider
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.site import Site
from tests.factories import make_key
from tests.hostile_mcp import HostileMcp
from tests.provider import Answer
from tests.provider import Provider as StandIn

PAGES = [
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/user/add/",
    "/admin/accounts/user/1/change/",
    "/admin/accounts/user/1/password/",
    "/admin/accounts/apikey/",
    "/admin/agents/agent/",
    "/admin/agents/agent/1/change/",
    "/admin/agents/agent/1/revisions/",
    "/admin/agents/agent/1/try/",
    "/admin/agents/provider/",
    "/admin/agents/provider/add/",
    "/admin/agents/provider/1/models/",
    "/admin/agents/provider/1/keys/",
    "/admin/agents/provider/1/check/",
    "/admin/agents/mcpserver/",
    "/admin/agents/mcpserver/add/",
    "/admin/usage/usagerecord/",
]
KEY = "sk-typed-into-a-browser-01"


@contextmanager
def owner(site: Site, **options: Any) -> Iterator[Page]:
    """A page of the owner's, of which the browser does not even warn."""
    warnings: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "warning":
            warnings.append(f"{page.url}: {said.text}")

    with site.page(cookies=site.owners_cookies, **options) as page:
        page.on("console", note)
        yield page
    assert warnings == []


def test_every_page_shows_without_a_word_from_the_console(
    site: Site, acme: Tenant
) -> None:
    make_key(acme, "owner")
    with owner(site, color_scheme="dark") as page:
        for path in PAGES:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
        colour = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(colour) != "rgba(0, 0, 0, 0)", "the style sheet is missing"


def test_a_provider_is_added_tested_and_answers_in_the_chat(
    site: Site, acme: Tenant, provider: StandIn
) -> None:
    """By clicks alone, as somebody does who never saw the code."""
    provider.on("mock-200x50ms-0ms", Answer(text="Hello from the new agent."))
    with owner(site) as page:
        page.goto("/admin/")
        page.get_by_role("link", name="Providers").first.click()
        page.locator("a[href$='/provider/add/']").first.click()
        page.locator("#id_name").fill("own")
        page.locator("#id_kind").select_option("openai_compatible", force=True)
        page.locator("#id_base_url").fill(provider.url)
        page.locator("#id_api_key").fill(KEY)
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.get_by_text("was added successfully")).to_be_visible()
        page.locator("a[href$='/models/']").click()
        page.get_by_label("Offer mock-200x50ms-0ms").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("1 model is offered now.")).to_be_visible()
        page.get_by_role("link", name="Back to own").click()
        page.locator("a[href$='/check/']").click()
        page.get_by_role("button", name="Test now").click()
        expect(page.get_by_text("It works.")).to_be_visible()
        provider.enqueue(Answer(status=401))
        page.get_by_role("button", name="Test now").click()
        expect(page.get_by_text("The provider refused our API key")).to_be_visible()
        _make_agent(page)
        page.goto("/?agent=parrot")
        assert KEY not in page.content()
        page.get_by_label("Message", exact=True).fill("Who are you?")
        page.keyboard.press("Enter")
        reply = page.locator("[data-reply] >> nth=-1")
        expect(reply).to_have_text("Hello from the new agent.")
    assert {r.headers["authorization"] for r in provider.requests} == {f"Bearer {KEY}"}


def _make_agent(page: Page) -> None:
    """The default one from then on; a draft of it is tried first."""
    page.goto("/admin/agents/agent/add/")
    page.locator("#id_name").fill("Parrot")
    page.locator("#id_slug").fill("parrot")
    page.locator("#id_model").fill("own/mock-200x50ms-0ms")
    page.locator("#id_is_default").check(force=True)
    page.locator("#id_system_prompt").fill("You serve {{user.nick}}.")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("There is no variable {{user.nick}}")).to_be_visible()
    page.locator("#id_system_prompt").fill("You serve {{user.name}}.")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    page.locator("a[href$='/try/']").click()
    page.get_by_label("Question", exact=True).fill("Hello?")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("Hello from the new agent.")).to_be_visible()


def test_an_mcp_server_is_added_checked_and_used_by_an_agent(
    site: Site, acme: Tenant
) -> None:
    with HostileMcp() as mcp, owner(site) as page:
        page.goto("/admin/")
        page.get_by_role("link", name="MCP servers").first.click()
        page.locator("a[href$='/mcpserver/add/']").first.click()
        page.locator("#id_name").fill("docs")
        page.locator("#id_url").fill("http://127.0.0.1:9/mcp")
        page.locator("#id_headers").fill(json.dumps({"Authorization": KEY}))
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.get_by_text("was added successfully")).to_be_visible()
        expect(page.get_by_text("Not asked yet.")).to_be_visible()
        page.locator("a[href$='/check/']").click()
        page.get_by_role("button", name="Check now").click()
        expect(page.get_by_text("It does not work.")).to_be_visible()
        page.get_by_role("link", name="Back to docs").click()
        page.locator("#id_url").fill(mcp.url("plain"))
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.get_by_text("enter them again")).to_be_visible()
        page.locator("#id_headers").fill(json.dumps({"Authorization": KEY}))
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.get_by_text("was changed successfully")).to_be_visible()
        page.locator("a[href$='/check/']").click()
        page.get_by_role("button", name="Check now").click()
        expect(page.get_by_text("docs__add")).to_be_visible()
        page.get_by_role("link", name="MCP servers").first.click()
        expect(page.get_by_text("Answered just now, 1 tool.")).to_be_visible()
        page.goto("/admin/agents/agent/1/change/")
        page.locator("#id_tools").fill("docs__add\ncalculator")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.get_by_text("was changed successfully")).to_be_visible()
        page.goto("/admin/agents/agent/1/revisions/")
        expect(page.get_by_text("docs__add, calculator")).to_be_visible()


def test_a_key_is_rotated_and_revoked_and_a_revision_comes_back(
    site: Site, acme: Tenant
) -> None:
    with entered(acme.scope):
        agent, stand_in = Agent.objects.get(), Provider.objects.get(name="standin")
    with owner(site) as page:
        page.goto(f"/admin/agents/provider/{stand_in.pk}/keys/")
        page.get_by_label("New key").fill(KEY)
        page.get_by_role("button", name="Rotate").click()
        expect(page.get_by_text("Version 2 is what new answers take.")).to_be_visible()
        page.get_by_role("row", name=re.compile("^1 ")).get_by_role("button").click()
        expect(page.get_by_text("Version 1 is revoked.")).to_be_visible()
        page.goto(f"/admin/agents/agent/{agent.pk}/change/")
        page.locator("#id_system_prompt").fill("Another prompt.")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was changed successfully")).to_be_visible()
        page.goto(f"/admin/agents/agent/{agent.pk}/revisions/")
        expect(page.get_by_text("+Another prompt.")).to_be_visible()
        page.get_by_role("button", name="Restore revision 2").click()
        expect(page.get_by_text("answers again, as revision 4")).to_be_visible()
