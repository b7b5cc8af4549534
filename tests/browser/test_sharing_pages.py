"""Sharing in a real Chromium: the dialog over the chat, and who sees what then."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from chat.models import Conversation
from chat.services import sharing
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.site import Site
from tests.browser.test_around import PHONE, check
from tests.chat.test_pages import make_conversation
from tests.factories import email_of
from tests.provider import Answer, Provider


def shared(tenant: Tenant, made: Conversation, whom: str, role: str = "viewer") -> Any:
    with entered(tenant.scope):
        return sharing.share(
            user=made.owner, conversation_id=made.pk, whom=whom, role=role
        )


def test_a_conversation_is_shared_in_a_dialog_by_keyboard(
    site: Site, acme: Tenant
) -> None:
    made = make_conversation(acme, title="Boats")
    with site.page() as page:
        page.goto(f"/c/{made.pk}")
        link = page.get_by_role("link", name="Share", exact=True)
        link.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Share “Boats”")
        expect(dialog.get_by_role("radio", name="A person")).to_be_focused()
        check(page)
        page.get_by_label("E-mail address").fill("nobody@acme.test")
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("Nobody here has this")).to_be_visible()
        page.get_by_label("E-mail address").fill(email_of(acme, "stranger"))
        page.keyboard.press("Enter")
        revoke = dialog.get_by_role("button", name="Revoke stranger@acme.test")
        expect(revoke).to_be_visible()
        dialog.get_by_role("radio", name="Whoever has the link").check()
        expect(page.get_by_label("E-mail address")).to_be_hidden()
        dialog.get_by_role("button", name="Share", exact=True).click()
        address = page.get_by_label("Link", exact=True)
        expect(address).to_be_focused()
        assert "/s/" in address.input_value()
        dialog.get_by_role("button", name="Revoke Whoever has the link").click()
        expect(dialog.get_by_role("listitem")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("link", name="Shared")).to_be_focused()


def test_a_guest_follows_the_owners_turn_and_leaves(
    site: Site, acme: Tenant, provider: Provider
) -> None:
    made = make_conversation(acme, title="Boats")
    shared(acme, made, email_of(acme, "stranger"))
    provider.enqueue(Answer(tokens=60, pace=20, held_after=40))
    with site.page() as owner, site.page(cookies=site.strangers_cookies) as guest:
        elsewhere = guest.context.new_page()
        guest.goto(f"/c/{made.pk}")
        elsewhere.goto("/")
        line = elsewhere.locator(f"[data-shared] [data-conversation-item='{made.pk}']")
        expect(line.locator("[data-unread-sign]")).to_be_hidden()
        owner.goto(f"/c/{made.pk}")
        owner.get_by_label("Message", exact=True).fill("Count slowly")
        owner.keyboard.press("Enter")
        expect(guest.get_by_text("Count slowly")).to_be_visible()
        expect(line.locator("[data-running-sign]")).to_be_visible()
        provider.let_go()
        expect(guest.get_by_text("w59").first).to_be_visible()
        expect(line.locator("[data-unread-sign]")).to_be_visible()
        guest.get_by_label("More about this conversation").click()
        guest.locator("summary", has_text="Leave…").click()
        guest.get_by_role("button", name="Leave", exact=True).click()
        guest.wait_for_url(f"{site.url}/")
        expect(guest.locator("[data-shared] li")).to_have_count(0)


def test_what_a_link_shows_is_for_everybody_and_loads_no_scripts(
    site: Site, acme: Tenant
) -> None:
    made = make_conversation(acme, title="Boats", replies=2)
    token = shared(acme, made, "link").token
    asked: list[str] = []
    with site.page(**PHONE) as page:
        page.on("request", lambda request: asked.append(request.resource_type))
        page.goto(f"/s/{token}")
        check(page)
        page.emulate_media(media="print")
        expect(page.get_by_role("heading", name="Boats")).to_be_visible()
        expect(page.get_by_role("button", name="Continue as my copy")).to_have_count(0)
        page.emulate_media(media="screen")
        assert "script" not in asked
        page.get_by_role("button", name="Continue as my copy").last.click()
        page.wait_for_url("**/c/*")
        expect(page.get_by_text("q1")).to_be_visible()
