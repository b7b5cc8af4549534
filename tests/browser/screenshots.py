"""`make screenshots`: the main states of the pages, in both themes, on desktop and
phone, into var/screenshots. Not collected by `make test`: it is for looking."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from accounts.services import create_api_key
from chat.models import Conversation
from chat.services.sharing import share
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.site import Site
from tests.chat.test_pages import make_conversation
from tests.factories import person
from tests.provider import Answer, Provider
from tests.servers import ROOT

FOLDER = ROOT / "var/screenshots"
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
PAGES = {
    "home": "/",
    "conversations": "/conversations",
    "archive": "/conversations?show=archived",
    "search": "/search?q=r0",
    "search-none": "/search?q=zebra",
    "profile": "/settings/profile",
    "password": "/accounts/password/change/",
    "appearance": "/settings/appearance",
    "language": "/settings/language",
    "keys": "/settings/keys",
    "sessions": "/settings/sessions",
    "data": "/settings/data",
    "keyboard": "/settings/shortcuts",
    "usage": "/usage",
    "settings": "/settings",
    "sign-out": "/accounts/logout/",
    "welcome": "/welcome",
    "not-found": "/c/no-such-conversation",
}
TITLES = [
    ("How to season a cast-iron pan", 0, True),
    ("Notes for the review of the budget, with figures", 0, False),
    ("Regular expressions for postal codes", 1, False),
    ("Trip to Trieste", 3, False),
    ("Why is the sky blue?", 12, False),
    ("A letter to the landlord", 70, False),
]


def _fill(tenant: Tenant) -> dict[str, str]:
    """Addresses that are known only now."""
    now = timezone.now()
    for title, days, pinned in TITLES:
        made = make_conversation(tenant, "owner", title=title)
        with entered(tenant.scope):
            Conversation.objects.filter(pk=made.pk).update(
                last_message_at=now - timedelta(days=days),
                seen_at=now - timedelta(days=days, minutes=int(days == 1)),
                pinned_at=now if pinned else None,
                message_count=2,
            )
    owner = person(tenant, "owner")
    with entered(tenant.scope):
        create_api_key(user=owner, name="Nightly report")
        trip = Conversation.objects.get(title="Trip to Trieste")
        ways = {"member@acme.test": "participant", "tenant": "viewer"}
        for whom, role in ways.items():
            share(user=owner, conversation_id=trip.pk, whom=whom, role=role)
        link = share(user=owner, conversation_id=trip.pk, whom="link")
    return {"trip": f"/c/{trip.pk}", "link": f"/s/{link.token}"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_screenshots(
    site: Site, acme: Tenant, provider: Provider, theme: str, size: str
) -> None:
    places = _fill(acme)
    width, height = SIZES[size]
    folder = FOLDER / f"{size}-{theme}"
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": height},
        "color_scheme": theme,
    }
    with site.page(signed_in=False, **options) as page:
        page.goto("/")
        _take(page, folder, "sign-in")
    with site.page(cookies=site.owners_cookies, **options) as page:
        for name, address in PAGES.items():
            page.goto(address)
            _take(page, folder, name)
        page.goto(places["trip"])
        _take(page, folder, "shared")
        page.get_by_role("link", name="Shared").click()
        page.get_by_role("dialog").wait_for()
        _take(page, folder, "sharing")
        page.goto(places["link"])
        _take(page, folder, "link")
        page.emulate_media(media="print")
        _take(page, folder, "link-printed")
        page.emulate_media(media="screen")
        _states(page, folder, size, provider)


def _states(page: Page, folder: Path, size: str, provider: Provider) -> None:
    """What is there only after somebody did something."""
    page.goto("/settings/keys")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Make a key").click()
    _take(page, folder, "key-shown-once")
    page.goto("/")
    if size == "phone":
        page.get_by_role("link", name="Conversations", exact=True).click()
        page.wait_for_timeout(300)
        _take(page, folder, "drawer")
    page.get_by_role("searchbox", name="Search").fill("trip")
    page.locator(".sidebar .found a").first.wait_for()
    _take(page, folder, "searching")
    page.goto("/")
    page.keyboard.press("Control+k")
    page.locator("[data-palette-field]").fill("a")
    page.wait_for_timeout(400)
    _take(page, folder, "palette")
    provider.enqueue(Answer(tokens=100, pace=20))
    page.goto("/")
    page.get_by_label("Message", exact=True).fill("Count for me")
    page.keyboard.press("Enter")
    page.locator("[data-running-sign]:not([hidden])").wait_for(state="attached")
    page.wait_for_timeout(1_500)
    _take(page, folder, "answering")
    page.locator("[data-running-sign]:not([hidden])").wait_for(state="detached")
    page.goto("/usage")
    _take(page, folder, "usage-of-something")
    page.goto("/settings/language")
    page.get_by_label("עברית").check()
    page.get_by_role("button", name="Save").click()
    _take(page, folder, "hebrew-settings")
    page.goto("/")
    _take(page, folder, "hebrew-home")


def _take(page: Page, folder: Path, name: str) -> None:
    page.screenshot(path=folder / f"{name}.png", full_page=False)
