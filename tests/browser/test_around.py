"""What is around the chat, in a real Chromium: list, search, palette, settings, looks.
What the server alone decides is in tests/chat/test_listing and tests/accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from chat.models import Conversation
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.site import Site
from tests.chat.test_pages import make_conversation
from tests.provider import Answer, Provider

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
PAGES = [
    "/",
    "/conversations",
    "/conversations?show=archived",
    "/search?q=boats",
    "/search?q=zebra",
    "/settings",
    "/settings/profile",
    "/accounts/password/change/",
    "/settings/appearance",
    "/settings/language",
    "/settings/keys",
    "/settings/sessions",
    "/settings/data",
    "/settings/shortcuts",
    "/usage",
    "/welcome",
    "/accounts/logout/",
    "/nowhere",
]
ENTRANCES = [
    "/accounts/login/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-abc/",
    "/accounts/signup/",
    "/accounts/inactive/",
]
AXE = Axe()
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
WIDER = "document.documentElement.scrollWidth > innerWidth"
# What has the focus: its place in the page, and whether a person sees it and its ring.
FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const box = one.getBoundingClientRect();
  const ringed = [one, one.closest(".composer-box")].some((ring) => {
    const found = ring && getComputedStyle(ring);
    return found && found.outlineStyle !== "none" && found.outlineWidth !== "0px";
  });
  const seen = box.width > 0 && box.right > 0 && box.left < innerWidth
    && box.bottom > 0 && box.top < innerHeight;
  return {number: [...document.querySelectorAll("*")].indexOf(one),
          what: one.outerHTML.slice(0, 120), visible: seen && ringed};
}"""
WHITE, BLACK = "rgb(255, 255, 255)", "rgb(26, 25, 23)"


def listed(page: Page) -> Any:
    return page.get_by_role("navigation", name="Conversations")


def check(page: Page) -> None:
    """All rules in the light theme; in the dark one those that colours can break."""
    for theme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # a literal
        found = AXE.run(page, options=options)
        told = f"{theme} {page.url}\n{found.generate_report()}"
        assert found.violations_count == 0, told


def test_axe_finds_nothing_on_any_page_in_either_theme(
    site: Site, acme: Tenant
) -> None:
    for title in ("Boats", "Harbours"):
        made = make_conversation(acme, "owner", title=title)
    hosts: set[str | None] = set()
    with site.page(cookies=site.owners_cookies) as page:
        page.on("request", lambda sent: hosts.add(urlsplit(sent.url).hostname))
        for path in [*PAGES, f"/c/{made.pk}/share", f"/c/{made.pk}"]:
            answer = page.goto(path)
            assert answer is not None
            assert "unsafe" not in answer.headers["content-security-policy"], path
            check(page)
        page.keyboard.press("Control+k")
        expect(page.get_by_role("dialog")).to_be_visible()
        check(page)
    with site.page(signed_in=False, **PHONE) as page:
        for path in ENTRANCES:
            page.goto(path)
            check(page)
    assert hosts == {urlsplit(site.url).hostname}


def test_every_page_can_be_walked_by_keyboard_and_fits_a_narrow_screen(
    site: Site, acme: Tenant
) -> None:
    made = make_conversation(acme, "owner", title="Boats in spring")
    narrow: Any = {"viewport": {"width": 320, "height": 640}, "locale": "de"}
    with site.page(cookies=site.owners_cookies, **narrow) as page:
        for path in [*PAGES, f"/c/{made.pk}/share", f"/c/{made.pk}"]:
            page.goto(path)
            assert not page.evaluate(WIDER), path
            page.evaluate("document.activeElement.blur()")
            stops: list[dict[str, Any]] = []
            while len(stops) < 60:
                page.keyboard.press("Tab")
                stop = page.evaluate(FOCUSED)
                if stop is None or stop["number"] in [s["number"] for s in stops]:
                    break
                stops.append(stop)
            assert [s for s in stops if not s["visible"]] == [], path
            assert stops, path


def test_dates_are_in_the_browsers_zone(site: Site, acme: Tenant) -> None:
    made = make_conversation(acme, title="Boats")
    with entered(acme.scope):
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        Conversation.objects.filter(pk=made.pk).update(last_message_at=noon)
    with site.page(timezone_id="Asia/Tokyo") as page:
        page.goto("/")
        page.goto("/conversations")
        expect(page.get_by_text("1 May 2026, 21:00")).to_be_visible()


def test_search_as_one_types_and_escape_brings_the_list_back(
    site: Site, acme: Tenant
) -> None:
    make_conversation(acme, title="Boats in spring")
    make_conversation(acme, title="Nothing else")
    with site.page() as page:
        page.goto("/")
        field = page.get_by_role("searchbox", name="Search")
        field.press_sequentially("boat")
        found = page.locator("[data-found]")
        expect(found.get_by_role("link", name="Boats in spring")).to_be_visible()
        expect(page.get_by_role("link", name="Nothing else")).to_be_hidden()
        field.press("Escape")
        expect(page.get_by_role("link", name="Nothing else")).to_be_visible()


def test_the_palette_finds_commands_and_conversations_by_keyboard(
    site: Site, acme: Tenant
) -> None:
    made = make_conversation(acme, title="Boats in spring")
    with site.page() as page:
        page.goto("/")
        page.keyboard.press("Control+k")
        dialog = page.get_by_role("dialog")
        page.keyboard.type("appear")
        expect(dialog.get_by_role("link")).to_have_count(1)
        page.keyboard.press("Enter")
        page.wait_for_url("**/settings/appearance")
        page.keyboard.press("Control+k")
        page.keyboard.insert_text("boats")  # a search for a part would find it, too
        expect(dialog.get_by_role("link", name="Boats in spring")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/c/{made.pk}")
        page.keyboard.press("Control+/")
        page.wait_for_url("**/settings/shortcuts")
        page.keyboard.press("Control+Shift+o")
        page.wait_for_url(f"{site.url}/")


def test_the_palette_gives_the_focus_back(site: Site) -> None:
    with site.page() as page:
        page.goto("/")
        field = page.get_by_label("Message", exact=True)
        expect(field).to_be_focused()
        page.keyboard.press("Control+k")
        expect(page.get_by_label("Search or type a command")).to_be_focused()
        page.keyboard.press("Escape")
        expect(field).to_be_focused()


def test_another_page_sees_a_turn_run_end_unread_and_read(
    site: Site, provider: Provider
) -> None:
    with site.page() as page:
        other = page.context.new_page()
        other.goto("/conversations")
        other.goto("/")
        provider.enqueue(Answer(tokens=130, pace=30, held_after=30))
        page.goto("/")
        page.get_by_label("Message", exact=True).fill("Count slowly")
        page.keyboard.press("Enter")
        line = listed(other).get_by_role("listitem").filter(has_text="Count slowly")
        expect(line.get_by_text("Being answered")).to_be_attached()
        expect(line.locator("[data-running-sign]")).to_be_visible()
        page.goto("/settings")  # nobody looks at it any more
        provider.let_go()
        expect(line.locator("[data-unread-sign]")).to_be_visible()
        expect(line.locator("[data-running-sign]")).to_be_hidden()
        line.get_by_role("link").click()
        other.wait_for_url("**/c/*")
        expect(line.locator("[data-unread-sign]")).to_be_hidden()


def test_many_are_ticked_and_deleted_after_a_question(site: Site, acme: Tenant) -> None:
    for number in range(3):
        make_conversation(acme, title=f"no {number}.")
    with site.page() as page:
        page.goto("/conversations")
        page.get_by_label("All on this page").check()
        page.get_by_label("no 1.").uncheck()
        page.get_by_role("button", name="Delete…").click()
        page.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("2 conversations deleted for good.")).to_be_visible()
        expect(page.get_by_role("checkbox", name="no 1.")).to_be_visible()
        expect(page.get_by_role("checkbox", name="no 0.")).to_have_count(0)


def test_on_a_phone_the_list_is_a_drawer_with_large_targets(
    site: Site, acme: Tenant
) -> None:
    make_conversation(acme, title="Boats in spring")
    with site.page(**PHONE) as page:
        page.goto("/")
        expect(page.get_by_role("link", name="Boats in spring")).to_be_hidden()
        page.get_by_role("link", name="Conversations", exact=True).click()
        expect(page.get_by_role("link", name="Boats in spring")).to_be_visible()
        targets = ".sidebar :is(a, summary, input)"
        for box in (found.bounding_box() for found in page.locator(targets).all()):
            assert box is None or box["height"] >= 44 or box["height"] == 0
        page.keyboard.press("Escape")
        expect(page.get_by_role("link", name="Boats in spring")).to_be_hidden()
        for path in ("/conversations", "/settings/keys", "/settings/shortcuts"):
            page.goto(path)
            assert not page.evaluate(WIDER), path


def test_the_chosen_colours_win_over_the_devices(site: Site) -> None:
    with site.page(color_scheme="light") as page:
        page.goto("/settings/appearance")
        assert page.evaluate(BACKGROUND) == WHITE
        page.get_by_label("Dark").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        for path in ("/settings/appearance", "/", "/nowhere", "/search"):
            page.goto(path)
            assert page.evaluate(BACKGROUND) == BLACK, path


def test_hebrew_runs_from_right_to_left(site: Site, acme: Tenant) -> None:
    make_conversation(acme, title="Boats in spring")
    with site.page() as page:
        page.goto("/settings/language")
        page.get_by_label("עברית").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("נשמר.")).to_be_visible()
        page.goto("/")
        box = page.locator(".sidebar").bounding_box()
        assert box is not None
        width = page.evaluate("document.documentElement.clientWidth")
        assert box["x"] + box["width"] == width
        page.goto("/settings/keys")
        assert not page.evaluate(WIDER)


def test_all_of_it_works_without_scripts(site: Site, acme: Tenant) -> None:
    make_conversation(acme, title="Boats in spring")
    with site.page(java_script_enabled=False, **PHONE) as page:
        page.goto("/")
        page.get_by_role("link", name="Conversations", exact=True).click()
        page.get_by_role("searchbox", name="Search").fill("boats")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Boats in spring")).to_be_visible()
        page.goto("/conversations")
        page.get_by_role("checkbox", name="Boats in spring").check()
        page.get_by_role("button", name="Archive").click()
        expect(page.get_by_text("1 conversation archived.")).to_be_visible()
        page.get_by_role("link", name="Archived").click()
        page.get_by_role("checkbox", name="Boats in spring").check()
        page.get_by_role("button", name="Restore").click()
        expect(page.get_by_text("1 conversation restored.")).to_be_visible()
        page.goto("/settings/profile")
        page.get_by_label("Name").fill("Ada")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
