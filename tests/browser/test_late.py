"""What reaches a page later than it should, in a real Chromium: news, and the end of a
reply."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tenants.models import Tenant
from tests.browser.site import TEXT, Site, ask, wait_until_over
from tests.browser.test_chat_page import CUT
from tests.browser.test_messages import replied
from tests.chat.rows import make_conversation
from tests.provider import Answer, Provider

DELAY = """
    const real = window.fetch;
    window.fetch = async (...asked) => {
        const answer = await real(...asked);
        if (asked[1]?.method === "POST") {
            await new Promise((done) => (window.answer = done));
        }
        return answer;
    };
"""
CHOOSE = """(active_leaf) => fetch(
    location.pathname.replace("/c/", "/api/v1/chat/"), {
        method: "PATCH",
        headers: {
            "Content-Type": "application/json",
            "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content,
        },
        body: JSON.stringify({ active_leaf }),
    }).then((answer) => answer.status)"""
STORED = "fetch(location.pathname + '/messages').then((answer) => answer.text())"


def wait_for(page: Page, reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline, "it did not come to pass"
        page.wait_for_timeout(10)


def begin_to_be_cut(page: Page) -> None:
    """A reply that grows, and nothing else that the page still fetches."""
    page.add_init_script(CUT)
    page.goto("/")
    ask(page, "Count")
    expect(page.locator(TEXT)).to_contain_text("w4")
    expect(page.get_by_role("link", name="Share", exact=True)).to_be_attached()


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
        wait_for(page, lambda: late)
        provider.let_go()
        wait_for(page, lambda: "data-usage" in page.evaluate(STORED))
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
        wait_for(page, lambda: any("turn-ended" in text for text in kept))
        page.locator(".reply").last.evaluate("(one) => one.dataset.here = ''")
        looked: list[str] = []
        page.on("requestfinished", lambda request: looked.append(request.url))
        for text in kept:
            lines[0].send(text)
        news = sum("turn-" in text for text in kept)
        wait_for(page, lambda: sum("/messages?" in url for url in looked) >= news)
        other = page.context.new_page()
        other.goto(f"/c/{made.pk}")
        kept.clear()
        ask(other, "And there?")
        replied(other, "Elsewhere.")
        expect(page.locator("[data-here]")).to_have_count(1)
        wait_for(page, lambda: any("turn-ended" in text for text in kept))
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
        wait_for(other, lambda: any("conversation-seen" in text for text in heard))
        expect(running).to_have_count(1)
        provider.let_go()
        expect(running).to_have_count(0)


def test_a_reply_whose_session_ended_is_told_and_the_page_stays_of_use(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=30, held_after=5))
    with site.page() as page:
        begin_to_be_cut(page)
        page.context.clear_cookies()
        page.evaluate("cut()")
        wait_until_over(page, "The reply is not complete")
        expect(page.get_by_text("signed out", exact=False)).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_reply_that_cannot_be_read_any_more_is_not_complete(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=30, held_after=5))
    with site.page() as page:
        begin_to_be_cut(page)
        page.route("**/stream?*", lambda route: route.fulfill(status=204))
        page.route("**/messages?*", lambda route: route.fulfill(status=404, body="{}"))
        page.evaluate("cut()")
        wait_until_over(page, "The reply is not complete")
        expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_branch_chosen_elsewhere_during_a_reply_is_shown_at_its_end(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="First."), Answer(tokens=9, held_after=5))
    with site.page() as page:
        page.goto("/")
        ask(page, "What is it?")
        replied(page, "First.")
        first = page.locator(".reply").get_attribute("data-message")
        page.locator(".reply").get_by_role("button", name="Try again").click()
        expect(page.locator(TEXT)).to_contain_text("w4")
        assert page.evaluate(CHOOSE, first) == 200
        provider.let_go()
        replied(page, "First.")
        expect(page.locator(".branches")).to_have_text("1/2")


def test_news_that_come_before_the_answer_to_ones_own_request_show_nothing_twice(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="First."), Answer(tokens=9, held_after=5))
    with site.page() as page:
        page.goto("/")
        ask(page, "What is it?")
        replied(page, "First.")
        page.evaluate(DELAY)
        page.locator(".reply").get_by_role("button", name="Try again").click()
        provider.wait_requests(2)
        page.evaluate(
            "document.dispatchEvent(new CustomEvent('news', {detail: {type:"
            " 'turn-started', conversationId: location.pathname.split('/').pop()}}))"
        )
        page.wait_for_timeout(300)  # in which what is wrong would be shown
        page.evaluate("answer()")
        expect(page.locator(TEXT)).to_contain_text("w4")
        expect(page.locator(".reply")).to_have_count(1)
        provider.let_go()
        replied(page, "w0 w1 w2 w3 w4 w5 w6 w7 w8")
        expect(page.locator(".reply")).to_have_count(1)


def test_a_try_that_is_refused_leaves_the_running_reply_as_it_is(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="First."), Answer(tokens=9, held_after=5))
    with site.page() as page:
        page.goto("/")
        ask(page, "What is it?")
        replied(page, "First.")
        ask(page, "And then?")
        expect(page.locator(TEXT)).to_contain_text("w4")
        refusal = {"code": "budget_exceeded", "detail": "Nothing is left of it."}
        page.route("**/chat?*", lambda route: route.fulfill(status=429, json=refusal))
        page.locator(".reply").first.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_have_text("Nothing is left of it.")
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        provider.let_go()
        replied(page, "w0 w1 w2 w3 w4 w5 w6 w7 w8")
        wait_until_over(page)


def test_what_is_begun_while_the_page_looks_for_news_stays(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="First."), Answer(text="Second."))
    with site.page() as page:
        page.goto("/")
        ask(page, "What is it?")
        replied(page, "First.")
        held: list[Route] = []
        page.route("**/messages?*", lambda route: held.append(route), times=1)
        page.evaluate(
            "document.dispatchEvent(new CustomEvent('news',"
            " {detail: {type: 'missed'}}))"
        )
        wait_for(page, lambda: held)
        old = page.evaluate(STORED)
        provider.enqueue(Answer(text="Third.", held_after=0))
        ask(page, "And then?")
        replied(page, "Second.")
        ask(page, "And at last?")
        provider.wait_requests(3)
        held[0].fulfill(body=old, content_type="text/html")
        provider.let_go()
        replied(page, "Third.")
        expect(page.locator("[data-text]")).to_have_text(
            ["What is it?", "And then?", "And at last?"]
        )
