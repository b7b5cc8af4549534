"""What a person's other pages hear of, in a real Chromium: tabs and devices."""

from __future__ import annotations

from playwright.sync_api import WebSocketRoute, expect

from tenants.db import entered
from tenants.models import Tenant
from tests.browser.site import Site
from tests.chat.test_budgets import reported
from tests.chat.test_pages import make_conversation
from tests.factories import person
from tests.provider import Answer, Provider
from usage.models import Budget


def test_a_turn_shows_in_other_tabs_and_devices_and_what_is_seen_is_seen(
    site: Site, acme: Tenant, provider: Provider
) -> None:
    old = make_conversation(acme, title="Boats")
    make_conversation(acme, title="Harbours")
    provider.enqueue(Answer(tokens=60, pace=20, held_after=40))
    with site.page() as page, site.page() as away:
        tab = page.context.new_page()
        for one in (tab, page):
            one.goto(f"/c/{old.pk}")
        away.goto("/")
        line = away.locator(f"[data-conversation-item='{old.pk}']")
        expect(away.locator("[data-conversations] li").first).to_contain_text("Harb")
        page.get_by_label("Message", exact=True).fill("Count slowly")
        page.keyboard.press("Enter")
        expect(tab.get_by_text("Count slowly")).to_be_visible()
        expect(line.locator("[data-running-sign]")).to_be_visible()
        expect(away.locator("[data-conversations] li").first).to_contain_text("Boats")
        provider.let_go()
        expect(tab.get_by_text("w59").first).to_be_visible()
        # Somebody looks at it in the first window.
        expect(line.locator("[data-running-sign]")).to_be_hidden()
        expect(line.locator("[data-unread-sign]")).to_be_hidden()


def test_a_new_conversation_has_its_title_and_its_head_in_every_tab(
    site: Site, provider: Provider
) -> None:
    with site.page() as page:
        other = page.context.new_page()
        other.goto("/")
        page.goto("/")
        page.get_by_label("Message", exact=True).fill("Boats in spring")
        page.keyboard.press("Enter")
        page.wait_for_url("**/c/*")
        expect(page.get_by_role("link", name="Share", exact=True)).to_be_visible()
        expect(page).to_have_title("Boats in spring · Acme")
        expect(other.get_by_role("link", name="Boats in spring")).to_be_visible()


def test_a_budget_that_runs_low_is_said_on_open_pages_until_closed(
    site: Site, acme: Tenant, provider: Provider
) -> None:
    with entered(acme.scope):
        Budget.objects.create(
            scope="user",
            subject_id=person(acme, "member").pk,
            period="day",
            limit_tokens=1_000,
        )
    provider.enqueue(reported(850))
    with site.page(locale="de") as page:
        other = page.context.new_page()
        other.goto("/settings/profile")
        page.goto("/")
        page.get_by_label("Nachricht", exact=True).fill("Viel")
        page.keyboard.press("Enter")
        notice = other.get_by_text("Ihr Budget für heute ist zu 80 % verbraucht.")
        expect(notice).to_be_visible()
        other.get_by_role("button", name="Schließen").click()
        expect(notice).to_be_hidden()


def test_what_happened_while_the_line_was_dead_is_shown_when_it_is_back(
    site: Site, acme: Tenant, provider: Provider
) -> None:
    made = make_conversation(acme)
    provider.enqueue(Answer(text="Said meanwhile."))
    with site.page() as page:
        lines: list[WebSocketRoute] = []
        page.route_web_socket("**/ws/news**", lambda line: lines.append(line))
        page.goto(f"/c/{made.pk}")
        other = page.context.new_page()
        other.goto(f"/c/{made.pk}")
        other.get_by_label("Message", exact=True).fill("Any news?")
        other.keyboard.press("Enter")
        expect(other.locator("[data-reply]").last).to_have_text("Said meanwhile.")
        expect(page.locator("[data-reply]")).to_have_count(1)
        lines[0].close()
        expect(page.locator("[data-reply]").last).to_have_text("Said meanwhile.")
        expect(page.locator("[data-reply]")).to_have_count(2)
        expect(page.locator(".reply .acts")).to_have_count(2)  # it is stored
        page.context.set_offline(True)
        expect(page.get_by_role("status")).to_contain_text("You are offline.")
        page.context.set_offline(False)
        expect(page.get_by_role("status")).to_have_text("")
