"""The chat page in a real Chromium: its weight, how soon it can be used, how it opens
1,000 messages, and what a growing reply costs.

`python -m bench.pages [--tokens 1000]` starts a database, a provider stand-in and one
uvicorn of its own, on loopback, and prints two tables. Each figure stands beside the
one at a quarter of the CPU's speed, by Chromium's own throttle. What the main thread
spends is its CPU time: the other programs of a busy machine are not in it.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench.contenders import parley
from bench.tenant import SCHEMA, prepare, session
from bench.volume import Volume, fill
from tests.browser.chromium import PROGRAM
from tests.provider import Answer, Provider

MESSAGES = 1_000
PACE = 50  # tokens a second
SPEEDS = (1, 4)  # the CPU as it is, and at a quarter of its speed
_WORDS = ("heat", "flows", "from", "warm", "to", "cold", "and", "the", "steeper")
_WATCH = """() => {
  window.seen = {long: 0, shift: 0, frames: []};
  new PerformanceObserver((list) => { seen.long += list.getEntries().length; })
    .observe({type: 'longtask'});
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      seen.shift += one.hadRecentInput ? 0 : one.value;
    }
  }).observe({type: 'layout-shift'});
  let last = performance.now();
  const frame = (now) => {
    seen.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
_READY = """async () => {
  await new Promise((resolve) => new PerformanceObserver((list) => {
    list.getEntriesByName('first-contentful-paint').forEach(resolve);
  }).observe({type: 'paint', buffered: true}));
  const [one] = performance.getEntriesByType('navigation');
  const [paint] = performance.getEntriesByName('first-contentful-paint');
  return [paint.startTime, one.domContentLoadedEventEnd];
}"""
_KEY = """() => new Promise((resolve) => {
  const field = document.getElementById('message');
  field.addEventListener('keydown', () => {
    const began = performance.now();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
  }, {once: true});
})"""


def markdown(tokens: int) -> tuple[str, ...]:
    """A reply of about so many tokens as models write them: headings, lists, tables,
    code and formulas between paragraphs."""
    chance = random.Random(3)
    pieces: list[str] = []
    while len(pieces) < tokens:
        pieces += (f" {chance.choice(_WORDS)}" for _ in range(60))
        kind = chance.choice(("\n\n## A heading\n\n", ".\n\n", "\n\n- ", "\n\n1. "))
        pieces.append(kind)
        if chance.random() < 0.3:
            code = "\n\n```python\nfor x in range(10):\n    print(x, x ** 2)\n```\n\n"
            pieces += code.splitlines(keepends=True)
        if chance.random() < 0.3:
            pieces += "\n\n| a | b |\n|--|--|\n| 1 | $x^2$ |\n\n".splitlines(True)
    return tuple(pieces[:tokens])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000)
    tokens = parser.parse_args().tokens
    with ExitStack() as up:
        folder = Path(up.enter_context(tempfile.TemporaryDirectory(prefix="parley-")))
        folder.chmod(0o755)  # as root the database runs as another user
        provider = up.enter_context(Provider())
        prepared = prepare(folder, provider.url)
        # Of nineteen messages one is beside the branch that is shown.
        fill(SCHEMA, Volume(conversations=40, deep=MESSAGES * 19 // 18 + 19))
        port = up.enter_context(parley(prepared, 0, 1)).target("bench-1x0").port
        playwright = up.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=["--no-sandbox"]
        )
        up.callback(browser.close)
        address = f"http://bench.localhost:{port}"
        cookie = {"name": "sessionid", "value": session(), "url": address}
        visit = Visit(browser, address, cookie)
        _print("opened", _opening(visit))
        title = f"{tokens} tokens, {PACE} a second"
        _print(title, _growing(visit, provider, tokens))


def _print(title: str, rows: dict[str, list[str]]) -> None:
    print(f"| {title} | full speed | a quarter |\n| --- | --- | --- |")
    for name, figures in rows.items():
        print(f"| {name} | {' | '.join(figures)} |", flush=True)
    print()


class Visit:
    """Pages of the tenant's owner, each in a browser context that knows nothing yet."""

    def __init__(self, browser: Browser, address: str, cookie: Any) -> None:
        self._browser = browser
        self._address = address
        self._cookie = cookie

    @contextmanager
    def page(self, speed: int) -> Iterator[tuple[Page, CDPSession]]:
        context = self._browser.new_context(base_url=self._address)
        context.add_cookies([self._cookie])
        page = context.new_page()
        page.set_default_timeout(180_000)
        wire = context.new_cdp_session(page)
        wire.send("Performance.enable", {"timeDomain": "threadTicks"})
        wire.send("Network.enable")
        wire.send("Emulation.setCPUThrottlingRate", {"rate": speed})
        yield page, wire
        context.close()


def _figure(wire: CDPSession, name: str) -> float:
    metrics = wire.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == name)


def _opening(visit: Visit) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for speed in SPEEDS:
        for name, figure in _opened(visit, speed).items():
            rows.setdefault(name, []).append(figure)
    return rows


def _opened(visit: Visit, speed: int) -> dict[str, str]:
    rows: dict[str, str] = {}
    for name, path in (
        ("an empty chat", "/"),
        ("the last 100 of 1,000 messages", "/c/volume-1"),
        ("the first of 1,000 messages, by its link", "/c/volume-1?at=volume-1-1"),
        ("all 1,000 messages", f"/c/volume-1?messages={MESSAGES}"),
    ):
        ready = [_times(visit, speed, path) for _ in range(5)]
        paint, usable = (statistics.median(each) for each in zip(*ready, strict=True))
        rows[f"{name}: first paint"] = f"{paint:.0f} ms"
        rows[f"{name}: composer usable"] = f"{usable:.0f} ms"
    rows |= _weight(visit, speed, "an empty chat", "/")
    rows |= _weight(visit, speed, "the last 100 of 1,000 messages", "/c/volume-1")
    with visit.page(speed) as (page, wire):
        page.goto(f"/c/volume-1?messages={MESSAGES}")
        assert page.locator("[data-message]").count() == MESSAGES
        wire.send("HeapProfiler.collectGarbage")
        heap = _figure(wire, "JSHeapUsedSize") / 1e6
        rows["all 1,000 messages: JavaScript's heap"] = f"{heap:.0f} MB"
        rows["all 1,000 messages: key to frame"] = f"{_key_to_frame(page):.0f} ms"
    return rows


def _weight(visit: Visit, speed: int, name: str, path: str) -> dict[str, str]:
    with visit.page(speed) as (page, wire):
        sizes: list[float] = []
        wire.on(
            "Network.loadingFinished", lambda e: sizes.append(e["encodedDataLength"])
        )
        page.goto(path, wait_until="networkidle")
        kinds = page.evaluate(
            "['.js', 'styles'].map((kind) => performance.getEntriesByType('resource')"
            ".filter((one) => one.name.includes(kind))"
            ".reduce((sum, one) => sum + one.decodedBodySize, 0))"
        )
        cold = f"{sum(sizes) / 1000:.0f} kB, {len(sizes)}"
        page.goto("about:blank")
        page.wait_for_timeout(1_000)  # the browser's cache writes behind
        page.goto(path, wait_until="networkidle")
        again = page.evaluate(
            "['navigation', 'resource'].flatMap((kind) => "
            "performance.getEntriesByType(kind))"
            ".reduce((sum, one) => sum + one.transferSize, 0)"
        )
    return {
        f"{name}: wire, requests": cold,
        f"{name}: wire when opened again": f"{again / 1000:.0f} kB",
        f"{name}: JavaScript, CSS, unpacked": (
            " kB, ".join(f"{kind / 1000:.0f}" for kind in kinds) + " kB"
        ),
    }


def _times(visit: Visit, speed: int, path: str) -> list[float]:
    with visit.page(speed) as (page, _):
        page.goto(path, wait_until="load")
        times: list[float] = page.evaluate(_READY)
        return times


def _key_to_frame(page: Page) -> float:
    """The median of twenty; the composer has the focus."""
    took: list[float] = []
    page.get_by_label("Message", exact=True).focus()
    for _ in range(20):
        page.evaluate(f"window.key = ({_KEY})(); null")
        page.keyboard.press("a")
        took.append(page.evaluate("window.key"))
    return statistics.median(took)


def _growing(visit: Visit, provider: Provider, tokens: int) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for speed in SPEEDS:
        # Twice: to look at each frame costs as much again.
        spent, _ = _grown(visit, provider, tokens, speed, watched=False)
        _, seen = _grown(visit, provider, tokens, speed, watched=True)
        frames = sorted(seen["frames"])
        for name, figure in {
            "main thread": f"{spent * 1000 / tokens:.2f} s per 1,000",
            "frame p95": f"{frames[int(len(frames) * 0.95)]:.0f} ms",
            "tasks over 50 ms": f"{seen['long']}",
            "layout shift": f"{seen['shift']:.3f}",
        }.items():
            rows.setdefault(name, []).append(figure)
    return rows


def _grown(
    visit: Visit, provider: Provider, tokens: int, speed: int, *, watched: bool
) -> tuple[float, dict[str, Any]]:
    """Seconds of the main thread, and what was seen."""
    provider.enqueue(Answer(pieces=markdown(tokens), pace=PACE))
    with visit.page(speed) as (page, wire):
        page.goto("/")
        page.get_by_label("Message", exact=True).fill("Tell me more")
        if watched:
            page.evaluate(_WATCH)
        before = _figure(wire, "TaskDuration")
        page.keyboard.press("Enter")
        page.locator("[data-status].done").wait_for(state="attached")
        spent = _figure(wire, "TaskDuration") - before
        return spent, page.evaluate("window.seen ?? {}")


if __name__ == "__main__":
    main()
