"""Both admins for everybody: axe, the keyboard alone, narrow screens, right-to-left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, expect

from accounts.services import create_user
from agents.models import Provider
from agents.services import create_agent
from tenants.db import PUBLIC, entered
from tenants.models import Tenant
from tests.browser.chromium import Chromium
from tests.browser.site import PHONE, Site
from tests.browser.test_around import AXE, FOCUSED, WIDER
from tests.servers import LiveServer, cookie_of
from tests.usage.test_api import use

PAGES = [
    "/admin/",
    "/admin/month",
    "/admin/accounts/user/2/change/",
    "/admin/agents/agent/1/change/",
    "/admin/agents/agent/1/revisions/",
    "/admin/agents/agent/1/try/",
    "/admin/agents/provider/1/keys/",
    "/admin/usage/budget/add/",
    "/admin/usage/usagerecord/",
]
DARK = "document.documentElement.className = 'dark'"


@contextmanager
def platform(server: LiveServer, chromium: Chromium, **options: Any) -> Iterator[Page]:
    """A page of an administrator of the platform."""
    url = f"http://localhost:{server.port}"
    with entered(PUBLIC):
        root = create_user(email="root@platform.test", role="owner")
        cookies: Any = [
            {"name": name, "value": value, "url": url}
            for name, value in cookie_of(root).items()
        ]
    with chromium.page(base_url=url, **options) as page:
        page.context.add_cookies(cookies)
        yield page


def check(page: Page, path: str) -> None:
    """All rules in the light theme; in the dark one those that colours can break."""
    page.goto(path, wait_until="load")
    page.locator("main").wait_for()
    page.wait_for_function("document.querySelector('.simplebar-content-wrapper')?.role")
    for prepare, options in (("0", {}), (DARK, {"runOnly": ["color-contrast"]})):
        page.evaluate(prepare)
        found = AXE.run(page, options=options)
        told = f"{prepare} {path}\n{found.generate_report()}"
        assert found.violations_count == 0, told


def reach(page: Page, wanted: Locator) -> None:
    """By the Tab key alone, past what has no ring or is not to be seen."""
    expect(wanted).to_be_attached()
    for _ in range(90):
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        assert stop is None or stop["visible"], f"{page.url}: {stop}"
    raise AssertionError(f"{page.url}: no way to {wanted}")


def test_axe_finds_nothing_in_the_admin_in_either_theme(
    site: Site, acme: Tenant, server: LiveServer, chromium: Chromium
) -> None:
    use(acme, "owner", "turn-1", status="failed")
    with site.page(cookies=site.owners_cookies) as page:
        for path in PAGES:
            check(page, path)
    with platform(server, chromium, locale="he") as page:
        for path in ("/admin/tenants/tenant/", "/admin/tenants/tenant/1/change/"):
            check(page, path)


def test_the_admin_is_used_by_the_keyboard_alone(site: Site, acme: Tenant) -> None:
    with entered(acme.scope):
        parrot = create_agent(slug="parrot", name="Parrot", model="standin/some-model")
        stand_in = Provider.objects.get(name="standin").pk
    with site.page(cookies=site.owners_cookies) as page:
        page.goto("/admin/agents/agent/")
        _open_and_close(page)
        box = page.get_by_role("row", name="Parrot").get_by_role("checkbox")
        reach(page, box)
        page.keyboard.press("Space")
        reach(page, page.get_by_label("Select action to run"))
        page.keyboard.type("U")
        reach(page, page.get_by_role("button", name="Run"))
        page.keyboard.press("Enter")
        row = page.get_by_role("row", name="Parrot")
        expect(row.get_by_title("False").first).to_be_visible()
        page.goto(f"/admin/agents/provider/{stand_in}/keys/")
        reach(page, page.get_by_label("New key"))
        page.keyboard.type("sk-typed-by-hand-0123456789")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Version 2 is what new answers take.")).to_be_visible()
        reach(page, page.get_by_role("button", name="Revoke now").last)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Version 1 is revoked.")).to_be_visible()
        page.goto(f"/admin/agents/agent/{parrot.pk}/delete/")
        reach(page, page.get_by_role("button", name=re.compile("^Yes")))
        page.keyboard.press("Enter")
        expect(page.get_by_text("was deleted successfully")).to_be_visible()


def _open_and_close(page: Page) -> None:
    """What unfold opens by clicks: filters, and the menu of the account."""
    filters = page.get_by_role("button", name="Filters")
    reach(page, filters)
    page.keyboard.press("Enter")
    inside = page.locator("#changelist-filter a:focus")
    expect(inside).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#changelist-filter")).to_be_hidden()
    expect(filters).to_be_focused()
    page.reload()
    account = page.get_by_role("button", name="Account, colours and signing out")
    reach(page, account)
    page.keyboard.press("Enter")
    expect(account).to_have_attribute("aria-expanded", "true")
    reach(page, page.get_by_role("button", name="Dark"))
    page.keyboard.press("Enter")
    expect(page.locator("html.dark")).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    expect(account).to_be_focused()


def test_the_admin_is_right_to_left_and_fits_a_phone(site: Site, acme: Tenant) -> None:
    use(acme, "owner", "turn-1")
    start = "(one) => getComputedStyle(one).textAlign"
    with site.page(cookies=site.owners_cookies, locale="he") as page:
        page.goto("/admin/agents/agent/")
        assert page.locator("html").get_attribute("dir") == "rtl"
        heading = page.locator("th.column-name")
        assert heading.evaluate(start) == "start"
        cell = page.locator(".field-name").first.bounding_box()
        box = heading.bounding_box()
        assert cell is not None
        assert box is not None
        assert cell["x"] + cell["width"] == box["x"] + box["width"]
    for language, paths in (("de", PAGES), ("he", PAGES[:4])):
        with site.page(cookies=site.owners_cookies, locale=language, **PHONE) as page:
            for path in paths:
                page.goto(path)
                assert not page.evaluate(WIDER), f"{language} {path}"
