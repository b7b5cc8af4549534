"""Fixtures of the tests of pages: the browser, and a tenant's pages in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenants.models import Tenant
from tests.browser.chromium import PROGRAM, Chromium
from tests.browser.site import Site
from tests.provider import Provider
from tests.servers import LiveServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that asks for the browser is skipped where there is none."""
    missing = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            item.add_marker(missing)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def site(
    server: LiveServer, acme: Tenant, provider: Provider, chromium: Chromium
) -> Site:
    """Acme's pages, whose agent is answered for by the stand-in provider."""
    return Site(server, acme, provider, chromium)
