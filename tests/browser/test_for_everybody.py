"""The pages on paper, in forced colours, without motion, enlarged, and while the
database is away."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from playwright.sync_api import expect

from tenants.models import Tenant
from tests.browser.site import TEXT, Site, ask
from tests.browser.states import make_states
from tests.browser.test_around import AXE, WIDER, check
from tests.chat.rows import make_conversation
from tests.provider import Answer, Provider

# What lies over the middle of an element, if that is another.
COVERED = """async (one) => {
  for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
  const box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return one.contains(top) ? null : top?.outerHTML ?? "outside of the window";
}"""
# Whether the page has seen the reader leave its end, which it would go back to.
LEFT = """() => {
  scrollTo(0, 0);
  return !document.querySelector('[data-to-end]').hidden;
}"""
# Buttons and the like below 44 CSS pixels, but for links in a text.
SMALL = """() => [...document.querySelectorAll('button, summary, textarea, a.icon')]
  .filter((one) => one.checkVisibility({visibilityProperty: true}))
  .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
  .filter(([, box]) => box.width && Math.min(box.width, box.height) < 43.9)
  .map(([html, box]) => `${html}: ${box.width} x ${box.height}`)"""
# How many letters a line of a paragraph has, on the average of its full lines.
LETTERS = """(one) => {
  const line = parseFloat(getComputedStyle(one).lineHeight);
  const lines = Math.round(one.getBoundingClientRect().height / line);
  return one.textContent.length / (lines - 0.5);
}"""
PAGES = ["/conversations", "/search?q=boats", "/settings/appearance", "/usage"]
# A screen of 1280 by 1024 at 400 %, and one of 1280 by 800 at 200 %.
ENLARGED: list[dict[str, Any]] = [
    {"viewport": {"width": 320, "height": 256}},
    {"viewport": {"width": 640, "height": 400}},
]


def test_axe_finds_nothing_on_paper_or_in_forced_colours(
    site: Site, acme: Tenant
) -> None:
    made = make_states(acme)
    chats = [f"/c/{made[name].pk}" for name in ("marks", "tools", "rich")]
    with site.page() as page:
        for path in [*PAGES, *chats]:
            for media in ({"media": "print"}, {"forced_colors": "active"}):
                page.goto(path)
                page.emulate_media(**media)  # type: ignore[arg-type]  # literals
                found = AXE.run(page)
                told = f"{media} {path}\n{found.generate_report()}"
                assert found.violations_count == 0, told
                page.emulate_media(media="screen", forced_colors="none")


def test_nothing_moves_for_who_wants_no_motion(site: Site, provider: Provider) -> None:
    provider.enqueue(Answer(tokens=400, pace=30))
    with site.page(reduced_motion="reduce") as page:
        page.goto("/")
        ask(page, "Go on")
        expect(page.locator(TEXT)).to_contain_text("w2")
        expect(page.locator("[data-running-sign]").first).to_be_visible()
        assert page.evaluate("document.getAnimations().length") == 0
        page.get_by_role("button", name="Stop").click()


def test_an_enlarged_page_reflows(site: Site, acme: Tenant) -> None:
    made = make_states(acme)
    for size in ENLARGED:
        with site.page(**size) as page:
            for path in [
                *PAGES,
                *(f"/c/{made[name].pk}" for name in ("marks", "rich")),
            ]:
                page.goto(path)
                assert not page.evaluate(WIDER), path
            page.get_by_label("Message", exact=True).fill("Room for me")
            box = page.locator("[data-messages]").bounding_box()
            dock = page.locator(".dock").bounding_box()
            assert box is not None
            assert dock is not None
            assert dock["height"] < size["viewport"]["height"] * 0.75


def test_what_has_the_focus_is_not_covered(site: Site, acme: Tenant) -> None:
    listing = "\n".join(f"line_{number} = {number}" for number in range(80))
    said = ("Hi", f"```python\n{listing}\n```\n\nDone.") * 2
    made = make_conversation(acme, said=said)
    for size in (
        {"width": 1280, "height": 800},
        *(one["viewport"] for one in ENLARGED),
    ):
        with site.page(viewport=size) as page:
            page.goto(f"/c/{made.pk}")
            page.wait_for_function(LEFT)
            buttons = page.locator("[data-messages] button:visible").all()
            assert len(buttons) > 8
            for button in buttons:
                page.evaluate("scrollTo(0, 0)")
                button.focus()
                assert button.evaluate(COVERED) is None, size


def test_a_finger_hits_every_button_on_a_phone(site: Site, acme: Tenant) -> None:
    made = make_states(acme)
    with site.page(viewport={"width": 360, "height": 740}, has_touch=True) as page:
        for name in ("marks", "tools", "rich"):
            page.goto(f"/c/{made[name].pk}")
            assert page.evaluate(SMALL) == []
        page.get_by_role("button", name="Details and more").last.click()
        page.get_by_role("button", name="Go on from here").wait_for()
        assert page.evaluate(SMALL) == []


def test_a_line_of_a_reply_is_no_longer_than_one_reads(
    site: Site, acme: Tenant
) -> None:
    said = ("Hi", "The quick brown fox jumps over the lazy dog again. " * 30)
    made = make_conversation(acme, said=said)
    for width in (1280, 2560):
        with site.page(viewport={"width": width, "height": 900}) as page:
            page.goto(f"/c/{made.pk}")
            assert 60 < page.locator(".prose p").evaluate(LETTERS) < 80


def test_the_head_of_a_long_listing_stays_in_sight(site: Site, acme: Tenant) -> None:
    listing = "\n".join(f"line_{number} = {number}" for number in range(200))
    made = make_conversation(acme, said=("Hi", f"```python\n{listing}\n```"))
    with site.page(viewport={"width": 1280, "height": 800}) as page:
        page.goto(f"/c/{made.pk}")
        page.get_by_text("line_100", exact=True).evaluate(
            "(line) => line.scrollIntoView({block: 'center'})"
        )
        copy = page.locator(".code-head [data-copy]")
        expect(copy).to_be_in_viewport()
        assert copy.evaluate(COVERED) is None


def test_axe_finds_nothing_while_the_database_is_away(site: Site) -> None:
    away = render_to_string("tenants/unavailable.html", {"detail": "Back soon."})
    with site.page(signed_in=False) as page:
        page.route("**/away", lambda route: route.fulfill(body=away, status=503))
        page.goto("/away")
        check(page)
        expect(page.get_by_role("link", name="Try again")).to_be_visible()
