"""What can be done with a message and who answers it, in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tenants.models import Tenant
from tests.browser.site import DESKTOP, PHONE, Site, ask
from tests.chat.test_pages import make_conversation
from tests.provider import Answer, Provider


def replied(page: Page, text: str) -> None:
    expect(page.locator("[data-reply]").last).to_have_text(text)
    expect(page.locator(".reply .acts").last).to_be_attached()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_question_is_edited_and_both_versions_stay(
    site: Site, provider: Provider, size: dict[str, Any]
) -> None:
    provider.enqueue(Answer(text="First."), Answer(text="Second."), Answer(text="3rd."))
    with site.page(**size) as page:
        page.goto("/")
        ask(page, "What is it?")
        replied(page, "First.")
        page.locator(".user").hover()
        page.get_by_role("button", name="Edit").click()
        editor = page.get_by_label("Edit your message")
        expect(editor).to_be_focused()
        editor.press("Escape")
        expect(page.get_by_role("button", name="Edit")).to_be_focused()
        page.get_by_role("button", name="Edit").click()
        editor.fill("What is it really?")
        page.get_by_role("button", name="Save and send").click()
        replied(page, "Second.")
        expect(page.locator(".branches")).to_have_text("2/2")
        page.get_by_role("button", name="Previous version").click()
        replied(page, "First.")
        expect(page.locator("[data-text]")).to_have_text("What is it?")
        expect(page.get_by_role("button", name="Next version")).to_be_focused()
        page.reload()
        replied(page, "First.")
        page.locator(".reply").get_by_role("button", name="Try again").click()
        replied(page, "3rd.")
        expect(page.locator(".reply .branches")).to_have_text("2/2")


def test_a_stopped_reply_goes_on_and_a_message_is_forked_and_deleted(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=2_000, pace=40), Answer(text=" and on."))
    with site.page(**DESKTOP) as page:
        page.goto("/")
        ask(page, "Go")
        expect(page.locator("[data-reply]")).to_contain_text("w2")
        page.get_by_role("button", name="Stop").click()
        page.locator(".mark.stopped").get_by_role("button", name="Continue").click()
        expect(page.locator("[data-reply]")).to_contain_text("and on.")
        expect(page.locator(".reply .branches")).to_have_text("2/2")
        expect(page.locator(".mark")).to_have_count(0)
        first = page.url
        page.get_by_role("button", name="Details and more").click()
        expect(page.locator(".details:visible")).to_contain_text("standin/some-model")
        page.get_by_role("button", name="Go on from here").click()
        page.wait_for_url(lambda url: url != first)
        expect(page.locator("[data-reply]")).to_contain_text("and on.")
        page.get_by_role("button", name="Details and more").click()
        page.locator(".reply").get_by_text("Delete…").click()
        page.get_by_role("button", name="Delete for good").click()
        expect(page.locator(".reply")).to_have_count(0)
        expect(page.locator(".user")).to_have_count(1)


def test_a_reply_is_copied_with_its_formulas_as_tex(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="**So** $x^2$ costs $5."))
    with site.page(permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto("/")
        ask(page, "Square")
        page.get_by_role("button", name="Copy reply").click()
        expect(page.get_by_role("status")).to_have_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == "So $x^2$ costs $5."
        expect(page.locator("[data-reply] math")).to_have_count(1)


def test_the_picker_finds_by_keyboard_and_gives_the_focus_back(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="Hello."), Answer(text="Again."))
    with site.page(**DESKTOP) as page:
        page.goto("/")
        ask(page, "Hi")
        replied(page, "Hello.")
        page.locator("[data-picker]").press("Enter")
        search = page.get_by_label("Find an agent or a model")
        expect(search).to_be_focused()
        search.fill("nothing like it")
        expect(page.get_by_text("Nothing has this name.")).to_be_visible()
        search.fill("some-model")
        search.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Message", exact=True)).to_be_focused()
        assert "model=standin%2Fsome-model" in page.url
        page.locator("[data-picker]").click()
        search.press("Escape")
        expect(page.get_by_label("Message", exact=True)).to_be_focused()
        page.get_by_role("button", name="Details and more").click()
        page.get_by_role("button", name="Try again with another model").click()
        search.fill("some-model")
        search.press("Enter")
        replied(page, "Again.")


def test_what_is_written_during_a_reply_is_sent_after_it(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=40, held_after=5), Answer(text="Second."))
    with site.page(**DESKTOP) as page:
        page.goto("/")
        ask(page, "One")
        expect(page.locator("[data-reply]")).to_contain_text("w1")
        ask(page, "Two")
        expect(page.locator(".unsent")).to_contain_text("after this reply")
        provider.let_go()
        replied(page, "Second.")
        expect(page.locator(".unsent")).to_have_count(0)
        expect(page.locator("[data-text]")).to_have_text(["One", "Two"])


def test_older_messages_come_above_without_moving_the_text(
    site: Site, acme: Tenant
) -> None:
    made = make_conversation(acme, replies=80)
    with site.page(**DESKTOP) as page:
        page.goto(f"/c/{made.pk}")
        link = page.get_by_role("link", name="Show earlier messages")
        link.scroll_into_view_if_needed()
        first = page.locator("[data-message]").first.get_attribute("id")
        place = f"document.getElementById('{first}').getBoundingClientRect().top"
        before = page.evaluate(place)
        link.click()
        expect(page.locator("[data-message]")).to_have_count(160)
        assert abs(page.evaluate(place) - before) < 3
        expect(link).to_have_count(0)


def test_without_scripts_versions_are_made_chosen_and_deleted(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="First."), Answer(text="Second."))
    with site.page(java_script_enabled=False, **DESKTOP) as page:
        page.goto("/")
        page.get_by_label("Message", exact=True).fill("Ask")
        page.get_by_role("button", name="Send").click()
        replied(page, "First.")
        expect(page.get_by_role("button", name="Edit")).to_be_hidden()
        page.locator(".reply").get_by_role("button", name="Try again").click()
        replied(page, "Second.")
        page.get_by_role("button", name="Previous version").click()
        replied(page, "First.")
        page.get_by_role("button", name="Details and more").click()
        expect(page.get_by_role("heading", name="Message")).to_be_visible()
        page.get_by_text("Delete…").click()
        page.get_by_role("button", name="Delete for good").click()
        replied(page, "Second.")
        page.locator("[data-picker]").click()
        expect(page.get_by_role("heading", name="Who answers")).to_be_visible()


def test_a_version_is_chosen_while_the_page_looks_for_news(
    site: Site, provider: Provider
) -> None:
    """Both bring messages, and neither may leave the other's beside its own."""
    provider.enqueue(Answer(text="First."), Answer(text="Second."))
    with site.page() as page:
        page.goto("/")
        ask(page, "What is it?")
        replied(page, "First.")
        page.locator(".user").hover()
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("Edit your message").fill("What is it really?")
        page.get_by_role("button", name="Save and send").click()
        replied(page, "Second.")
        expect(page.locator(".branches")).to_have_text("2/2")
        held: list[Route] = []
        page.route("**/messages?*", lambda route: held.append(route))
        page.evaluate(
            "document.dispatchEvent(new CustomEvent('news',"
            " {detail: {type: 'missed'}}))"
        )
        while not held:
            page.wait_for_timeout(10)
        # All messages, as where the reply has no place of its own yet.
        news = page.evaluate(
            "fetch(location.pathname + '/messages').then((answer) => answer.text())"
        )
        page.get_by_role("button", name="Previous version").click()
        while len(held) < 2:
            page.wait_for_timeout(10)
        page.locator(".user").evaluate("(article) => article.dataset.old = ''")
        held[0].fulfill(body=news, content_type="text/html")
        expect(page.locator("[data-old]")).to_have_count(0)
        held[1].continue_()
        replied(page, "First.")
        expect(page.locator("[data-text]")).to_have_text("What is it?")
