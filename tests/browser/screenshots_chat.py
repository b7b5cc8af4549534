"""The chat page in each of its states, for `make screenshots`: see screenshots.py."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from chat.models import Conversation, Message
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.screenshots import FOLDER
from tests.browser.site import Site, ask
from tests.chat.rows import make_conversation, make_message
from tests.provider import Answer, Provider

SIZES = {
    "phone": (390, 844),
    "tablet": (768, 1024),
    "desktop": (1280, 800),
    "wide": (2560, 1300),
}
RICH = r"""## The heat equation

Heat flows from **warm to cold**, the faster the steeper the slope: $q = -k \nabla u$.
With the balance of energy this becomes

$$\frac{\partial u}{\partial t} =
\alpha \left( \frac{\partial^2 u}{\partial x^2} + \frac{\partial^2 u}{\partial y^2} \right)$$

where $\alpha = \frac{k}{\rho c}$ is the *diffusivity*. A book on it costs $40, a used
one $15.

1. Choose a grid with $h = 0.1$.
2. Step in time, with `dt` below $\frac{h^2}{4\alpha}$:
   - by hand, or
   - with the loop below.

```python
def step(u, dt, h, alpha=1.0):
    print("One explicit step on a square grid")
    lap = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
    u[1:-1, 1:-1] += dt * alpha * lap  # the border stays
    return u
```

| Material | Diffusivity in mm²/s | Remark |
| :-- | --: | --- |
| Copper | 111 | very fast |
| Water | 0.143 | as long as it does not move |
| Pine | 0.082 | along the grain it is about twice as much |

> Whoever waits long enough gets the same temperature everywhere.

Aligned: $$\begin{aligned} u(x,0) &= \sin(\pi x) \\ u(0,t) &= u(1,t) = 0 \end{aligned}$$

More in [Fourier's book](https://example.org/fourier), and a very long word:
Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft_and_/a/path/that/does/not/end/anywhere/at/all.
"""
HEBREW = """## משוואת החום

החום זורם **מחם לקר**: $q = -k \\nabla u$.

1. בחרו רשת.
2. התקדמו בזמן עם `dt` קטן.

```python
print("שלום")
```

| חומר | ערך |
| :-- | --: |
| נחושת | 111 |
"""
MARKS: tuple[dict[str, Any], ...] = (
    {"status": "stopped"},
    {"finish_reason": "length"},
    {"status": "failed", "error_code": "provider_unavailable"},
    {"status": "failed", "error_code": "provider_timeout"},
    {"status": "failed", "error_code": "provider_content_filtered"},
    {"status": "failed", "error_code": "budget_exceeded"},
    {"status": "interrupted"},
)


def _call(state: str, **more: Any) -> dict[str, Any]:
    given = {"query": "heat equation", "limit": 5}
    return {
        "type": "tool-library__search",
        "toolCallId": f"call-{state}",
        "state": state,
        "input": given,
        **more,
    }


CALLS = [
    {"type": "reasoning", "text": "They want numbers.\nI look them up first."},
    {"type": "text", "text": "I look it up."},
    _call("output-available", output="1. Fourier, 1822\n2. Carslaw and Jaeger, 1959"),
    _call("output-error", errorText="The server of this tool cannot be reached."),
    _call("output-denied", approval={"id": "a-1", "approved": False}),
    _call("input-available"),
    _call("approval-requested", approval={"id": "a-2"}),
]


def _fill(tenant: Tenant) -> dict[str, Conversation]:
    said = ("How does heat spread in a plate? Please with formulas and code.", RICH)
    made = {"rich": make_conversation(tenant, said=said, title="Heat in a plate")}
    made["right-to-left"] = make_conversation(
        tenant, said=("איך חום מתפשט?", HEBREW), title="חום"
    )
    made["marks"] = make_conversation(tenant, said=(), title="Ways to end")
    made["tools"] = make_conversation(
        tenant, said=("Look it up",), title="Calls of tools"
    )
    made["long"] = make_conversation(tenant, said=("Hi", "Hello.") * 30, title="Long")
    with entered(tenant.scope):
        known = {"model": "standin/some-model", "total_tokens": 1_234}
        Message.objects.filter(role="assistant").update(cost=Decimal("0.0021"), **known)
        parent = None
        for number, fields in enumerate(MARKS):
            asked = make_message(
                made["marks"], f"No. {number}", parent, number=2 * number
            )
            parent = make_message(
                made["marks"], "As far as", asked, number=2 * number + 1, **fields
            )
        _end(made["marks"], parent)
        asked = Message.objects.get(conversation=made["tools"])
        reply = make_message(made["tools"], "I look it up.", asked, number=1)
        Message.objects.filter(pk=reply.pk).update(parts=CALLS)
        _end(made["tools"], reply)
        asked = Message.objects.get(conversation=made["rich"], role="user")
        make_message(made["rich"], "Another version", asked, number=5)
    return made


def _end(conversation: Conversation, leaf: Message | None) -> None:
    conversation.active_leaf = leaf
    conversation.save()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_screenshots_of_the_chat(
    site: Site, acme: Tenant, provider: Provider, theme: str, size: str
) -> None:
    made = _fill(acme)
    width, height = SIZES[size]
    folder = Path(os.environ.get("SCREENSHOTS", FOLDER)) / f"{size}-{theme}"
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": height},
        "color_scheme": theme,
        "has_touch": size == "phone",
        "is_mobile": size == "phone",
    }
    with site.page(**options) as page:
        page.goto("/")
        _take(page, folder, "empty")
        for name, conversation in made.items():
            page.goto(f"/c/{conversation.pk}")
            for block in page.locator("details.reasoning:visible, .tool").all():
                block.evaluate("(one) => (one.open = true)")
            _take(page, folder, name, whole=name != "long")
        page.goto(f"/c/{made['rich'].pk}")
        _acts(page, folder)
        _live(page, folder, provider)


def _acts(page: Page, folder: Path) -> None:
    page.get_by_role("button", name="Details and more").last.click()
    _take(page, folder, "details")
    page.keyboard.press("Escape")
    page.locator("[data-picker]").click()
    page.get_by_label("Find an agent or a model").wait_for()
    _take(page, folder, "picker")
    page.keyboard.press("Escape")
    page.locator(".user").hover()
    page.get_by_role("button", name="Edit").click()
    _take(page, folder, "edit")
    page.keyboard.press("Escape")
    page.route("**/api/v1/chat*", lambda route: route.abort())
    ask(page, "This waits for the line")
    page.locator(".unsent").wait_for()
    _take(page, folder, "unsent")
    page.get_by_role("button", name="Take back").click()
    page.unroute("**/api/v1/chat*")


def _live(page: Page, folder: Path, provider: Provider) -> None:
    words = tuple(RICH.split(" "))
    pieces = tuple(f"{word} " for word in words)
    provider.enqueue(Answer(pieces=pieces, pace=60))
    page.goto("/")
    ask(page, "Tell me about heat")
    page.locator("[data-reply] .code").wait_for()
    _take(page, folder, "streaming")
    page.get_by_role("button", name="Stop").click()
    page.locator(".mark.stopped").wait_for()
    _take(page, folder, "stopped")


def _take(page: Page, folder: Path, name: str, *, whole: bool = False) -> None:
    page.screenshot(path=folder / f"chat-{name}.png", full_page=whole)
