"""The chat page for everybody: axe in every state, and the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import expect

from tenants.models import Tenant
from tests.browser.site import PHONE, TEXT, Site, ask, wait_until_over
from tests.browser.states import make_states
from tests.browser.test_around import check
from tests.chat.rows import make_conversation
from tests.provider import Answer, Provider


def test_axe_finds_nothing_in_any_state_in_either_theme(
    site: Site, acme: Tenant
) -> None:
    made = make_states(acme)
    lines = "\n".join(f"line {n}" for n in range(30))  # higher than its bubble
    made["lines"] = make_conversation(acme, said=(lines, "Line by line."))
    with site.page() as page:
        for name in ("lines", "marks", "tools", "rich"):
            page.goto(f"/c/{made[name].pk}")
            for block in page.locator("details.reasoning, .tool").all():
                block.evaluate("(one) => (one.open = true)")
            check(page)
        page.get_by_role("button", name="Details and more").last.click()
        expect(page.get_by_label("Try again, but…")).to_be_visible()
        check(page)
        page.locator("[data-picker]").press("Enter")
        expect(page.get_by_label("Find an agent or a model")).to_be_focused()
        check(page)
        page.keyboard.press("Escape")
        page.locator(".user").hover()
        page.get_by_role("button", name="Edit").click()
        check(page)
        page.keyboard.press("Control+Shift+F")
        page.get_by_role("dialog").get_by_role("searchbox").fill("heat")
        expect(page.get_by_role("dialog").locator("mark").first).to_be_visible()
        check(page)
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.keyboard.type("heat")
        expect(page.get_by_role("region", name="Preview")).to_be_visible()
        check(page)


def test_axe_finds_nothing_on_a_phone_while_a_reply_is_written_and_a_message_waits(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=2_000, pace=30))
    with site.page(**PHONE) as page:
        page.goto("/")
        ask(page, "Go on")
        expect(page.locator(TEXT)).to_contain_text("w2")
        ask(page, "And then")
        expect(page.locator(".unsent")).to_contain_text("after this reply")
        check(page)
        page.get_by_role("button", name="Take back").click()
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".mark.stopped")).to_be_visible()
        check(page)


def test_a_conversation_is_led_by_the_keyboard_alone(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="First."), Answer(text="Second."))
    with site.page() as page:
        page.goto("/")
        expect(page.get_by_label("Message", exact=True)).to_be_focused()
        page.keyboard.type("Tell me")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("something")
        page.keyboard.press("Enter")
        wait_until_over(page)
        expect(page.locator("[data-text]")).to_have_text("Tell me\nsomething")
        again = page.locator(".reply").get_by_role("button", name="Try again")
        expect(again).to_be_attached()
        for _ in range(8):
            page.keyboard.press("Shift+Tab")
            if again.evaluate("(one) => one === document.activeElement"):
                break
        outline = "(one) => getComputedStyle(one).outlineStyle"
        assert again.evaluate(outline) == "solid"
        page.keyboard.press("Enter")
        expect(page.locator(TEXT)).to_have_text("Second.")
