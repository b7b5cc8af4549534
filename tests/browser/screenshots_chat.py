"""The chat page in each of its states, for `make screenshots`: see screenshots.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tenants.models import Tenant
from tests.browser.screenshots import FOLDER
from tests.browser.site import Site, ask
from tests.browser.states import RICH, make_states
from tests.provider import Answer, Provider

SIZES = {
    "phone": (390, 844),
    "tablet": (768, 1024),
    "desktop": (1280, 800),
    "wide": (2560, 1300),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_screenshots_of_the_chat(
    site: Site, acme: Tenant, provider: Provider, theme: str, size: str
) -> None:
    made = make_states(acme)
    width, height = SIZES[size]
    folder = Path(os.environ.get("SCREENSHOTS", FOLDER)) / f"{size}-{theme}"
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": height},
        "color_scheme": theme,
        "has_touch": size == "phone",
        "is_mobile": size == "phone",
    }
    with site.page(**options) as page:
        page.goto("/")
        _take(page, folder, "empty")
        for name, conversation in made.items():
            page.goto(f"/c/{conversation.pk}")
            for block in page.locator("details.reasoning:visible, .tool").all():
                block.evaluate("(one) => (one.open = true)")
            _take(page, folder, name, whole=name != "long")
        page.goto(f"/c/{made['rich'].pk}")
        _acts(page, folder)
        _live(page, folder, provider)


def _acts(page: Page, folder: Path) -> None:
    page.get_by_role("button", name="Details and more").last.click()
    page.get_by_role("button", name="Go on from here").wait_for()
    _take(page, folder, "details")
    page.keyboard.press("Escape")
    page.locator("[data-picker]").click()
    page.get_by_label("Find an agent or a model").wait_for()
    _take(page, folder, "picker")
    page.keyboard.press("Escape")
    page.locator(".user").hover()
    page.get_by_role("button", name="Edit").click()
    _take(page, folder, "edit")
    page.keyboard.press("Escape")
    page.route("**/api/v1/chat*", lambda route: route.abort())
    ask(page, "This waits for the line")
    page.locator(".unsent").wait_for()
    _take(page, folder, "unsent")
    page.get_by_role("button", name="Take back").click()
    page.unroute("**/api/v1/chat*")


def _live(page: Page, folder: Path, provider: Provider) -> None:
    words = tuple(RICH.split(" "))
    pieces = tuple(f"{word} " for word in words)
    provider.enqueue(Answer(pieces=pieces, pace=60))
    page.goto("/")
    ask(page, "Tell me about heat")
    page.locator("[data-reply] .code").wait_for()
    _take(page, folder, "streaming")
    page.get_by_role("button", name="Stop").click()
    page.locator(".mark.stopped").wait_for()
    _take(page, folder, "stopped")


def _take(page: Page, folder: Path, name: str, *, whole: bool = False) -> None:
    page.screenshot(path=folder / f"chat-{name}.png", full_page=whole)
