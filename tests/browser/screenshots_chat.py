"""The chat page in each of its states, for `make screenshots`: see screenshots.py."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from accounts.models import User
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.looks import LOOKS, Look
from tests.browser.site import Site
from tests.browser.states import RICH, make_states
from tests.browser.test_hostile_replies import CORPUS
from tests.chat.rows import make_conversation
from tests.provider import Answer, Provider

_COLUMNS = 12
WIDE = "\n".join(
    f"| {' | '.join(cells)} |"
    for cells in (
        [f"Column {number}" for number in range(_COLUMNS)],
        ["--:"] * _COLUMNS,
        *(
            [f"{row * 1_000 + number}.50" for number in range(_COLUMNS)]
            for row in (1, 2)
        ),
    )
)
LONG = f"""A line of code that does not end:

```text
{"abcdefghij" * 40}
```

{WIDE}

`{"inline" * 30}` and {"word" * 60}, https://example.org/{"path/" * 40}

$${" + ".join(f"x_{{{number}}}^2" for number in range(60))}$$

```python
{chr(10).join(f"line_{number} = {number}" for number in range(60))}
```
"""


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_screenshots_of_the_chat(
    site: Site, acme: Tenant, provider: Provider, look: Look
) -> None:
    made = make_states(acme)
    made["wide"] = make_conversation(acme, said=("x" * 300, LONG), title="w" * 80)
    made["hostile"] = make_conversation(
        acme, said=(CORPUS[0] * 3, "\n\n".join(CORPUS)), title="<b>\u202eHostile"
    )
    with entered(acme.scope):
        User.objects.update(language=look.language)
    with site.page(**look.options) as page:
        for name, conversation in made.items():
            page.goto(f"/c/{conversation.pk}")
            for block in page.locator("details.reasoning:visible, .tool").all():
                block.evaluate("(one) => (one.open = true)")
            look.take(page, f"chat-{name}", whole=name != "long")
        if look.name == "paper":
            return
        page.goto(f"/c/{made['rich'].pk}")
        _acts(page, look)
        _unsent(page, look)
        _live(page, look, provider)


def _acts(page: Page, look: Look) -> None:
    page.locator(".reply [name=more]").last.click()
    page.locator("[name=fork]").wait_for()
    look.take(page, "chat-details", whole=False)
    page.keyboard.press("Escape")
    page.locator("[data-picker]").click()
    page.locator(".chooser input").wait_for()
    page.locator("[data-option]").first.wait_for()
    look.take(page, "chat-picker", whole=False)
    page.keyboard.press("Escape")
    page.locator(".user").first.hover()
    page.locator("[data-edit]").first.click()
    look.take(page, "chat-edit", whole=False)
    page.keyboard.press("Escape")


def _unsent(page: Page, look: Look) -> None:
    page.route("**/api/v1/chat*", lambda route: route.abort())
    page.locator("#message").fill("This waits for the line")
    page.locator("[data-send]").click()
    page.locator(".unsent").wait_for()
    look.take(page, "chat-unsent", whole=False)
    page.locator("[data-take-back]").click()
    page.unroute("**/api/v1/chat*")
    page.locator("#message").fill("A line\n" * 30)
    look.take(page, "chat-composing", whole=False)
    page.locator("#message").fill("")


def _live(page: Page, look: Look, provider: Provider) -> None:
    thoughts = tuple(f"thought {number} " for number in range(12))
    pieces = tuple(f"{word} " for word in RICH.split(" "))
    provider.enqueue(Answer(reasoning=thoughts, pieces=pieces, pace=40))
    page.goto("/")
    page.locator("#message").fill("Tell me about heat")
    page.locator("[data-send]").click()
    page.wait_for_timeout(250)
    look.take(page, "chat-thinking", whole=False)
    page.locator("[data-reply] .code").wait_for()
    look.take(page, "chat-streaming", whole=False)
    page.locator("[data-stop]").click()
    page.locator(".mark.stopped").wait_for()
    look.take(page, "chat-stopped", whole=False)
