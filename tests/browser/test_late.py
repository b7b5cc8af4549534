"""What reaches a page later than it should, in a real Chromium: news, and the end of a
reply."""

from __future__ import annotations

import re

from playwright.sync_api import Route, WebSocketRoute, expect

from tenants.models import Tenant
from tests.browser.site import TEXT, Site, ask, wait_until_over
from tests.browser.test_messages import replied
from tests.chat.rows import make_conversation
from tests.provider import Answer, Provider

STORED = "fetch(location.pathname + '/messages').then((answer) => answer.text())"


def test_an_end_that_was_missed_is_shown_as_it_is_stored(
    site: Site, provider: Provider
) -> None:
    """The page was asked for in mid-reply, and the stream when it could not be replayed
    any more."""
    provider.enqueue(Answer(tokens=30, held_after=5))
    with site.page() as page:
        page.goto("/")
        ask(page, "Count")
        expect(page.locator(TEXT)).to_contain_text("w4")
        late: list[Route] = []
        page.route("**/stream?*", lambda route: late.append(route))
        page.reload()
        while not late:
            page.wait_for_timeout(10)
        provider.let_go()
        while "data-usage" not in page.evaluate(STORED):
            page.wait_for_timeout(10)
        late[0].fulfill(status=204)
        wait_until_over(page)
        expect(page.locator(TEXT)).to_have_text(" ".join(f"w{n}" for n in range(30)))
        expect(page.locator(".reply")).to_have_count(1)
        expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_news_of_a_turn_that_the_page_has_shown_change_nothing(
    site: Site, acme: Tenant, provider: Provider
) -> None:
    made = make_conversation(acme)
    provider.enqueue(Answer(text="First."), Answer(text="Elsewhere."))
    with site.page() as page:
        kept: list[str] = []
        lines: list[WebSocketRoute] = []

        def listen(line: WebSocketRoute) -> None:
            lines.append(line)
            line.connect_to_server().on_message(lambda text: kept.append(str(text)))

        page.route_web_socket("**/ws/news**", listen)
        page.goto(f"/c/{made.pk}")
        ask(page, "What is it?")
        replied(page, "First.")
        page.get_by_role("button", name="Details and more").last.click()
        expect(page.locator(".details:visible")).to_be_visible()
        while not any("turn-ended" in text for text in kept):
            page.wait_for_timeout(10)
        page.locator(".reply").last.evaluate("(one) => one.dataset.here = ''")
        looked: list[str] = []
        page.on("request", lambda request: looked.append(request.url))
        for text in kept:
            lines[0].send(text)
        # Of a turn elsewhere, which follows: by then the others were heard.
        other = page.context.new_page()
        other.goto(f"/c/{made.pk}")
        kept.clear()
        ask(other, "And there?")
        replied(other, "Elsewhere.")
        expect(page.locator("[data-here]")).to_have_count(1)
        assert not [url for url in looked if re.search("/messages", url)]
        while not any("turn-ended" in text for text in kept):
            page.wait_for_timeout(10)
        lines[0].send(next(text for text in kept if "turn-ended" in text))
        replied(page, "Elsewhere.")


def test_what_is_seen_may_still_be_answered(
    site: Site, acme: Tenant, provider: Provider
) -> None:
    made = make_conversation(acme, title="Boats")
    provider.enqueue(Answer(tokens=30, held_after=5))
    with site.page() as page:
        other = page.context.new_page()
        heard: list[str] = []
        other.on(
            "websocket",
            lambda line: line.on("framereceived", lambda text: heard.append(str(text))),
        )
        other.goto("/")
        page.goto(f"/c/{made.pk}")
        ask(page, "Count")
        running = other.locator("[data-running-sign]:visible")
        expect(running).to_have_count(1)
        page.context.new_page().goto(f"/c/{made.pk}")
        while not any("conversation-seen" in text for text in heard):
            other.wait_for_timeout(10)
        expect(running).to_have_count(1)
        provider.let_go()
        expect(running).to_have_count(0)
