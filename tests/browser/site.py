"""A tenant's pages in a real Chromium, for the tests of pages and for screenshots."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from tenants.models import Tenant
from tests.factories import email_of, point_agent
from tests.provider import Provider
from tests.servers import LiveServer, host_of, session_cookie

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Site:
    """A tenant's pages, and pages of a browser on them.

    Rows are written before the browser starts: Playwright keeps an event loop running
    in this thread, where Django allows no query.
    """

    def __init__(self, server: LiveServer, tenant: Tenant, provider: Provider) -> None:
        point_agent(tenant, provider.url)
        self.url = f"http://{host_of(tenant)}:{server.port}"
        self.email = email_of(tenant, "member")
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
        """A page of a browser of its own, the member's unless `cookies` are given;
        nothing may go wrong in its console."""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-background-networking"],
            )
            context = browser.new_context(base_url=self.url, **options)
            if signed_in:
                context.add_cookies(cookies or self.own_cookies)
            page = context.new_page()
            page.set_default_timeout(15_000)
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", partial(_note_error, faults))
            yield page
            browser.close()
        assert [fault for fault in faults if "Failed to load" not in fault] == []


def _note_error(faults: list[str], said: ConsoleMessage) -> None:
    if said.type == "error":
        faults.append(said.text)
