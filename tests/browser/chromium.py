"""One Chromium for all tests of a worker; each page has a context of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

# No test is about time: these only end what hangs, on a machine that is busy too.
_PATIENCE = 30_000
expect.set_options(timeout=_PATIENCE)
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """A browser that starts with its first page and stays until `close`.

    Playwright keeps an event loop running in this thread, where Django would allow no
    query and asyncio no other loop. So its loop counts as running only while a page is
    open: rows are written before that, or after it.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def page(self, **options: Any) -> Iterator[Page]:
        """A page of a new context with these options; nothing may go wrong in its
        console. Pages may be open side by side, each a person of its own."""
        with self._at_work():
            if self._browser is None:
                self._browser = self._start()
            context = self._browser.new_context(**options)
            try:
                page = context.new_page()
                page.set_default_timeout(_PATIENCE)
                faults: list[str] = []
                page.on("pageerror", lambda error: faults.append(str(error)))
                page.on("console", partial(_note_error, faults))
                yield page
            finally:
                context.close()
        assert [fault for fault in faults if "Failed to load" not in fault] == []

    def close(self) -> None:
        if self._playwright is not None and self._browser is not None:
            with self._at_work():
                self._browser.close()
                self._playwright.stop()

    def _start(self) -> Browser:
        self._playwright = sync_playwright().start()
        self._loop = asyncio.get_running_loop()
        return self._playwright.chromium.launch(
            executable_path=PROGRAM,
            args=["--no-sandbox", "--disable-background-networking"],
        )

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self._loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(outer)


def _note_error(faults: list[str], said: ConsoleMessage) -> None:
    if said.type == "error":
        faults.append(f"{said.page.url if said.page else ''}: {said.text}")
