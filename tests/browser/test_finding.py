"""One's place in a long conversation, and its title, in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tenants.models import Tenant
from tests.browser.site import DESKTOP, PHONE, Site
from tests.chat.rows import make_conversation
from tests.chat.test_within import with_another_version

SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
LONG = tuple(f"{kind} {n}" for n in range(70) for kind in ("Question", "Reply"))


def message(page: Page, text: str) -> Any:
    return page.locator("[data-message]").filter(has=page.get_by_text(text, exact=True))


@SIZES
def test_a_link_to_an_old_message_leads_to_it(
    site: Site, acme: Tenant, size: dict[str, Any]
) -> None:
    make_conversation(acme, said=("Where is the lighthouse?", *LONG[1:]))
    with site.page(**size) as page:
        page.goto("/search?q=lighthouse")
        page.get_by_role("link", name="A title").first.click()
        found = message(page, "Where is the lighthouse?")
        expect(found).to_be_visible()
        expect(found).to_be_in_viewport()


@SIZES
def test_the_questions_are_an_outline_to_jump_by(
    site: Site, acme: Tenant, size: dict[str, Any]
) -> None:
    made = make_conversation(acme, said=LONG)
    with site.page(**size) as page:
        page.goto(f"/c/{made.pk}")
        page.get_by_label("More about this conversation").click()
        page.get_by_role("link", name="Find in it").click()
        dialog = page.get_by_role("dialog", name="Find in the conversation")
        expect(dialog.get_by_role("link")).to_have_count(70)
        expect(dialog.locator("[aria-current]")).to_be_in_viewport()
        dialog.get_by_role("searchbox").fill("reply 33")
        expect(dialog.get_by_role("link")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        found = message(page, "Reply 33")
        expect(found).to_be_focused()
        expect(found).to_be_in_viewport()
        page.keyboard.press("Alt+PageDown")
        expect(message(page, "Question 34")).to_be_focused()
        page.keyboard.press("Alt+PageUp")
        expect(message(page, "Question 33")).to_be_focused()
        # Beyond the messages that are on the page.
        page.keyboard.press("Control+Shift+F")
        expect(dialog).to_be_visible()
        page.keyboard.insert_text('"question 3"')
        expect(dialog.get_by_role("link")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(message(page, "Question 3")).to_be_visible()


def test_what_is_found_in_another_version_can_be_shown(
    site: Site, acme: Tenant
) -> None:
    made, _ = with_another_version(acme)
    with site.page(**DESKTOP) as page:
        page.goto(f"/c/{made.pk}")
        page.get_by_role("link", name="Find in the conversation").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.insert_text("home")
        page.get_by_text("in another version").click()
        page.get_by_role("button", name="Show that version").click()
        expect(page.locator("[data-reply]").last).to_contain_text("Harbour & <b>home")
        expect(page.get_by_text("is in another version")).to_have_count(0)


def test_the_arrow_up_edits_the_last_question(site: Site, acme: Tenant) -> None:
    made = make_conversation(acme, said=("First", "Yes.", "Second", "Well."))
    with site.page(**DESKTOP) as page:
        page.goto(f"/c/{made.pk}")
        field = page.get_by_label("Message", exact=True)
        field.fill("one\ntwo")
        field.press("ArrowUp")
        expect(field).to_be_focused()
        field.fill("")
        field.press("ArrowUp")
        expect(page.get_by_label("Edit your message")).to_be_focused()
        expect(page.get_by_label("Edit your message")).to_have_value("Second")


@SIZES
def test_a_conversation_is_renamed_on_all_open_pages(
    site: Site, acme: Tenant, size: dict[str, Any]
) -> None:
    made = make_conversation(acme)
    with site.page(**size) as page:
        other = page.context.new_page()
        for tab in (other, page):
            tab.goto(f"/c/{made.pk}")
        page.get_by_label("More about this conversation").click()
        page.get_by_text("Rename…").click()
        field = page.get_by_role("textbox", name="Title")
        expect(field).to_be_focused()
        page.keyboard.type("Boats in spring")
        page.keyboard.press("Enter")
        expect(page.get_by_label("More about this conversation")).to_be_focused()
        expect(field).to_be_hidden()
        for tab in (page, other):
            expect(tab.locator("h1")).to_have_text("Boats in spring")
            expect(tab).to_have_title("Boats in spring · Acme")
            line = tab.locator(f"[data-conversation-item='{made.pk}'] a")
            expect(line).to_have_text("Boats in spring")


def test_the_palette_shows_what_it_found_where_there_is_room(
    site: Site, acme: Tenant
) -> None:
    make_conversation(acme, said=("Where is the lighthouse?", "On the *rock*."))
    for size, has_room in ((DESKTOP, True), (PHONE, False)):
        with site.page(**size) as page:
            page.goto("/")
            page.keyboard.press("Control+k")
            page.keyboard.insert_text("lighthouse")
            dialog = page.get_by_role("dialog")
            link = dialog.get_by_role("link", name="lighthouse").first
            expect(link).to_be_visible()
            page.keyboard.press("ArrowDown")
            expect(link).to_be_focused()
            look = dialog.get_by_role("region", name="Preview")
            if has_room:
                expect(look).to_contain_text("On the rock")
                expect(look.locator(".preview-at")).to_contain_text("lighthouse?")
                page.keyboard.press("Shift+Tab")
                page.keyboard.press("Escape")
                expect(dialog).to_be_hidden()
            else:
                expect(look).to_be_hidden()
