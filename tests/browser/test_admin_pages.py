"""Django's admin in a real Chromium: its own scripts and styles satisfy our CSP."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright

from tenants.models import Tenant
from tests.factories import PASSWORD, email_of, make_key
from tests.servers import LiveServer, host_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
PAGES = [
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/user/add/",
    "/admin/accounts/user/1/change/",
    "/admin/accounts/user/1/password/",
    "/admin/accounts/apikey/",
    "/admin/agents/agent/1/change/",
    "/admin/agents/provider/",
    "/admin/agents/provider/add/",
    "/admin/usage/usagerecord/",
]


def test_an_owner_works_in_the_admin_without_a_word_from_the_console(
    server: LiveServer, acme: Tenant
) -> None:
    make_key(acme, "owner")
    faults: list[str] = []

    def note(said: Any) -> None:
        # Chromium asks for a favicon; the admin has none.
        ours = "favicon" not in said.location["url"]
        if said.type in {"error", "warning"} and ours:
            faults.append(f"{page.url}: {said.text}")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        page = browser.new_page(base_url=f"http://{host_of(acme)}:{server.port}")
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.goto("/admin/")
        page.get_by_label("E-mail").fill(email_of(acme, "owner"))
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        for path in PAGES:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
        page.goto("/admin/agents/agent/add/")
        page.get_by_label("Name:").fill("Tutor")
        page.get_by_label("Slug:").fill("tutor")
        page.get_by_label("Model:").fill("local/smollm2-135m")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was added successfully")).to_be_visible()
        colour = "getComputedStyle(document.querySelector('#header')).backgroundColor"
        assert page.evaluate(colour) != "rgba(0, 0, 0, 0)", "the style sheet is missing"
        browser.close()
    assert faults == []
