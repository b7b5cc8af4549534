"""`make screenshots`: the pages around the chat in all looks, into var/screenshots. It
is for looking: `make test` does not collect it. screenshots_chat.py has the chat's."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import translation
from playwright.sync_api import Page, Route

from tenants.models import Tenant
from tests.browser.looks import LOOKS, Look
from tests.browser.site import Site
from tests.browser.workspace import Places, fill
from tests.provider import Answer, Provider

ENTRANCES = {
    "sign-in": "/accounts/login/",
    "password-forgotten": "/accounts/password/reset/",
    "password-mailed": "/accounts/password/reset/done/",
    "password-link-used": "/accounts/password/reset/key/1-abc/",
    "sign-up": "/accounts/signup/",
    "switched-off": "/accounts/inactive/",
}
PAGES = {
    "conversations": "/conversations",
    "archive": "/conversations?show=archived",
    "search": "/search?q=budget",
    "search-none": "/search?q=zebra",
    "settings": "/settings",
    "profile": "/settings/profile",
    "password": "/accounts/password/change/",
    "appearance": "/settings/appearance",
    "language": "/settings/language",
    "keys": "/settings/keys",
    "sessions": "/settings/sessions",
    "data": "/settings/data",
    "keyboard": "/settings/shortcuts",
    "usage": "/usage",
    "welcome": "/welcome",
    "sign-out": "/accounts/logout/",
    "not-found": "/c/no-such-conversation",
}
# Refusals that a page has to be in trouble for.
REFUSALS = {
    "400": "400.html",
    "403": "403.html",
    "403-form-expired": "403_csrf.html",
    "429": "429.html",
    "500": "500.html",
    "503": "tenants/unavailable.html",
    "suspended": "tenants/suspended.html",
    "unknown-host": "tenants/unknown.html",
}
DETAIL = "The administrators of this server can say more."
IMPORTED = [
    {"title": "Recipes", "mapping": {}, "create_time": 1_700_000_000},
    {"title": "A conversation without messages"},
]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_screenshots(site: Site, acme: Tenant, provider: Provider, look: Look) -> None:
    places = fill(acme, look.language)
    with site.page(signed_in=False, **look.options) as page:
        _outside(page, look, places)
    with site.page(**look.options) as page:
        for name in ("usage", "conversations", "keys", "data"):
            page.goto(PAGES[name])
            look.take(page, f"{name}-empty")
        page.goto("/")
        look.take(page, "home-empty")
    with site.page(cookies=site.owners_cookies, **look.options) as page:
        for name, address in PAGES.items():
            page.goto(address)
            look.take(page, name)
        _around_the_list(page, look)
        _sharing(page, look, places)
        _forms(page, look)
        provider.enqueue(Answer(tokens=60, pace=20))
        _at_home(page, look)


def _outside(page: Page, look: Look, places: Places) -> None:
    for name, address in ENTRANCES.items():
        page.goto(address)
        look.take(page, name)
    page.goto("/accounts/login/")
    page.locator("#id_login").fill("nobody@acme.test")
    page.locator("#id_password").fill("wrong")
    page.keyboard.press("Enter")
    page.locator(".errorlist").wait_for()
    look.take(page, "sign-in-wrong")
    page.goto(places.link)
    look.take(page, "link-to-read")
    page.goto("/s/no-such-link-as-this-one")
    look.take(page, "link-gone")
    for name, template in REFUSALS.items():
        with translation.override(look.language):
            body = render_to_string(template, {"detail": DETAIL})
        page.route("**/refused", partial(_answer, body))
        page.goto("/refused")
        look.take(page, f"refused-{name}")
        page.unroute("**/refused")


def _answer(body: str, route: Route) -> None:
    route.fulfill(body=body, content_type="text/html; charset=utf-8")


def _around_the_list(page: Page, look: Look) -> None:
    page.goto("/conversations")
    for box in page.locator(".picks input").all()[:2]:
        box.check()
    look.take(page, "conversations-chosen")
    page.locator("[value=delete]").click()
    page.locator("[name=sure]").wait_for(state="attached")
    look.take(page, "conversations-delete")


def _sharing(page: Page, look: Look, places: Places) -> None:
    page.goto(places.link)
    look.take(page, "link-to-copy")
    page.goto(places.shared)
    look.take(page, "shared")
    page.locator("[data-menu] > summary").click()
    look.take(page, "menu", whole=False)
    page.keyboard.press("Escape")
    page.goto(f"{places.shared}/share")
    look.take(page, "share-page")
    page.goto(places.shared)
    page.locator("[data-share]").click()
    page.locator("[data-share-dialog][open]").wait_for()
    look.take(page, "share", whole=False)
    page.locator("[value=link]").check()
    page.locator("[data-share-form] .button").click()
    page.locator("#share-url").wait_for()
    look.take(page, "share-link-made", whole=False)


def _forms(page: Page, look: Look) -> None:
    page.goto("/settings/keys")
    page.locator("#id_name").fill("Laptop")
    page.locator("#id_name").press("Enter")
    page.locator(".secret").wait_for()
    look.take(page, "key-shown-once")
    page.goto("/settings/data")
    file: Any = {
        "name": "conversations.json",
        "mimeType": "application/json",
        "buffer": json.dumps(IMPORTED).encode(),
    }
    page.locator("#file").set_input_files(file)
    page.locator(".settings-body form button").click()
    page.locator(".report, .notice").first.wait_for()
    look.take(page, "data-imported")
    page.goto("/accounts/password/change/")
    for field in page.locator(".settings-body input[type=password]").all():
        field.fill("short")
    page.keyboard.press("Enter")
    page.locator(".errorlist").first.wait_for()
    look.take(page, "password-refused")
    page.goto("/settings/profile")
    page.locator(".settings-body form button").click()
    page.locator(".messages-list").wait_for()
    look.take(page, "profile-saved")


def _at_home(page: Page, look: Look) -> None:
    page.goto("/")
    look.take(page, "home", whole=False)
    if page.locator(".bar .only-narrow").is_visible():
        page.goto("/#conversations")
        page.wait_for_timeout(400)
        look.take(page, "drawer", whole=False)
    page.locator(".who summary").click()
    look.take(page, "who", whole=False)
    page.goto("/#conversations")
    page.locator("#find").fill("budget")
    page.locator(".sidebar .found a").first.wait_for()
    look.take(page, "searching", whole=False)
    page.goto("/")
    page.keyboard.press("Control+k")
    page.wait_for_timeout(300)
    look.take(page, "palette", whole=False)
    page.locator("[data-palette-field]").fill("a")
    page.wait_for_timeout(500)
    look.take(page, "palette-found", whole=False)
    page.goto("/")
    page.locator("#message").fill("Count for me")
    page.locator("[data-send]").click()
    page.locator("[data-stop]").wait_for()
    page.wait_for_timeout(1_000)
    look.take(page, "answering", whole=False)
    page.locator("[data-status].done").wait_for(state="attached")
