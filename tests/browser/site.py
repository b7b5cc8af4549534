"""A tenant's pages in a real Chromium, for the tests of pages and for screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, expect

from tenants.models import Tenant
from tests.browser.chromium import Chromium
from tests.factories import email_of, point_agent
from tests.provider import Provider
from tests.servers import LiveServer, host_of, session_cookie

TEXT = "[data-reply] >> nth=-1"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 850}}


class Site:
    """A tenant's pages, and pages of a browser on them."""

    def __init__(
        self,
        server: LiveServer,
        tenant: Tenant,
        provider: Provider,
        chromium: Chromium,
    ) -> None:
        point_agent(tenant, provider.url)
        self.url = f"http://{host_of(tenant)}:{server.port}"
        self.email = email_of(tenant, "member")
        self._chromium = chromium
        self.own_cookies = self._session(tenant, "member")
        self.owners_cookies = self._session(tenant, "owner")
        self.strangers_cookies = self._session(tenant, "stranger")

    def _session(self, tenant: Tenant, name: str) -> Any:
        return [
            {"name": key, "value": value, "url": self.url}
            for key, value in session_cookie(tenant, name).items()
        ]

    @contextmanager
    def page(
        self, *, signed_in: bool = True, cookies: Any = None, **options: Any
    ) -> Iterator[Page]:
        """A page of a browser context of its own, the member's unless `cookies` are
        given; nothing may go wrong in its console."""
        with self._chromium.page(base_url=self.url, **options) as page:
            if signed_in:
                page.context.add_cookies(cookies or self.own_cookies)
            yield page


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


def wait_until_over(page: Page, said: str = "Reply complete") -> None:
    expect(page.get_by_role("status")).to_have_text(said)
