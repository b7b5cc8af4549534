"""What a reply offers besides its text, in a real Chromium: tables and listings to take
along, quoting, another try with a wish, when to try again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tenants.models import Tenant
from tests.browser.site import DESKTOP, PHONE, TEXT, Site, ask, wait_until_over
from tests.browser.test_messages import replied
from tests.chat.rows import make_conversation
from tests.provider import Answer, Provider

SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
CLIPBOARD: Any = {"permissions": ["clipboard-read", "clipboard-write"]}
PASTED = "navigator.clipboard.readText()"
LISTING = "```python\n" + "".join(f"x{n} = {n}\n" for n in range(80)) + "```"
TABLE = '| Of | In $m^2$ |\n| :-- | --: |\n| a "b", c | -11 |\n| d | =1+2 |'
SELECT = """(one) => getSelection().setBaseAndExtent(
  one.firstChild, 0, one.lastChild, one.lastChild.length)"""


@SIZES
def test_a_table_is_copied_and_saved_as_csv(
    site: Site, provider: Provider, size: dict[str, Any]
) -> None:
    provider.enqueue(Answer(text=f"Areas:\n\n{TABLE}\n\n```py\nx\n```\n\nDone."))
    with site.page(**size, **CLIPBOARD) as page:
        page.goto("/")
        ask(page, "Areas: a/b")
        wait_until_over(page)
        page.get_by_role("button", name="Copy table").click()
        expect(page.get_by_role("status")).to_have_text("Copied")
        assert page.evaluate(PASTED) == 'Of\tIn $m^2$\na "b", c\t-11\nd\t=1+2'
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save as CSV").click()
        assert saved.value.suggested_filename == "Areas a b.csv"
        # What would be a formula in a spreadsheet is text there.
        assert Path(saved.value.path()).read_bytes().decode() == (
            '\ufeff"Of","In $m^2$"\r\n"a ""b"", c","-11"\r\n"d","\'=1+2"\r\n'
        )
        page.get_by_role("button", name="Copy reply").click()
        page.wait_for_function(f"{PASTED}.then((text) => text.startsWith('Areas'))")
        assert "Save" not in page.evaluate(PASTED)
        assert "Copy" not in page.evaluate(PASTED)


@SIZES
def test_the_head_of_a_long_listing_stays_in_sight_and_folds_it(
    site: Site, acme: Tenant, size: dict[str, Any]
) -> None:
    made = make_conversation(acme, said=("Count", f"Here:\n\n{LISTING}\n\nEnd."))
    with site.page(**size) as page:
        page.goto(f"/c/{made.pk}")
        page.evaluate("scrollTo(0, 700)")
        fold = page.get_by_role("button", name="Fold", exact=True)
        expect(fold).to_be_in_viewport()
        fold.click()
        expect(page.get_by_text("End.")).to_be_in_viewport()
        expect(page.get_by_text("Here:")).to_be_in_viewport()
        unfold = page.get_by_role("button", name="Unfold")
        expect(unfold).to_have_attribute("aria-expanded", "false")
        unfold.click()
        expect(fold).to_have_attribute("aria-expanded", "true")


@SIZES
def test_what_is_selected_can_be_quoted(
    site: Site, acme: Tenant, size: dict[str, Any]
) -> None:
    made = make_conversation(
        acme, said=("What?", "First line\nand **second**.\n\nEnd.")
    )
    with site.page(**size) as page:
        page.goto(f"/c/{made.pk}")
        field = page.get_by_label("Message", exact=True)
        field.fill("See:")
        paragraph = page.locator("[data-reply] p").first
        paragraph.evaluate(SELECT)
        page.get_by_role("button", name="Quote", exact=True).click()
        expect(field).to_have_value("See:\n\n> First line and second.\n\n")
        expect(field).to_be_focused()
        expect(page.get_by_role("button", name="Quote", exact=True)).to_be_hidden()
        field.fill("")
        paragraph.evaluate(SELECT)
        expect(page.get_by_role("button", name="Quote", exact=True)).to_be_visible()
        page.keyboard.press("Alt+q")
        expect(field).to_have_value("> First line and second.\n\n")


@SIZES
def test_another_try_with_a_wish(
    site: Site, provider: Provider, size: dict[str, Any]
) -> None:
    provider.enqueue(Answer(text="Long."), Answer(text="As verse."), Answer(text="S."))
    with site.page(**size) as page:
        page.goto("/")
        ask(page, "What is it?")
        replied(page, "Long.")
        page.get_by_role("button", name="Details and more").click()
        page.get_by_label("Try again, but…").fill("in verse")
        page.keyboard.press("Enter")
        replied(page, "As verse.")
        expect(page.locator(".reply .branches")).to_have_text("2/2")
        said = [
            (m["role"], m["content"]) for m in provider.requests[1].body["messages"]
        ]
        assert said[-3:-1] == [("user", "What is it?"), ("assistant", "Long.")]
        assert said[-1][1].endswith(" in verse")
        page.get_by_role("button", name="Details and more").click()
        expect(page.locator(".details:visible")).to_contain_text("in verse")
        page.get_by_role("button", name="Shorter").click()
        replied(page, "S.")
        assert provider.requests[2].body["messages"][-1]["content"].endswith("Shorter")
        assert provider.requests[2].body["messages"][-2]["content"] == "As verse."


def test_when_to_try_again_is_counted_down(site: Site, provider: Provider) -> None:
    provider.enqueue(Answer(status=429, retry_after="40"))
    with site.page() as page:
        page.goto("/")
        ask(page, "Now?")
        wait_until_over(page, "The reply is not complete")
        again = page.locator(".mark").get_by_role("button", name="Try again")
        expect(again).to_have_text(re.compile(r"^Try again \((?!40 )\d+ s\)$"))
        provider.enqueue(Answer(text="Yes."))
        again.click()
        expect(page.locator(TEXT)).to_have_text("Yes.")


def test_an_edit_that_was_not_sent_is_there_after_a_reload(
    site: Site, acme: Tenant, provider: Provider
) -> None:
    made = make_conversation(acme)
    provider.enqueue(Answer(text="Better."))
    with site.page(**DESKTOP) as page:
        page.goto(f"/c/{made.pk}")
        editor = page.get_by_label("Edit your message")
        for typed in ("Typed for an hour", "And on"):
            page.get_by_label("Message", exact=True).press("ArrowUp")
            editor.fill(typed)
            page.reload()
        page.get_by_label("Message", exact=True).press("ArrowUp")
        expect(editor).to_have_value("And on")
        editor.press("Control+Enter")
        replied(page, "Better.")
        page.get_by_label("Message", exact=True).press("ArrowUp")
        expect(editor).to_have_value("And on")
        editor.press("Escape")
        page.get_by_role("button", name="Previous version").click()
        expect(page.locator("[data-text]")).to_have_text("Question")
        page.get_by_label("Message", exact=True).press("ArrowUp")
        expect(editor).to_have_value("Question")
