"""Conversations in all states that rows alone can be in, for looking and for axe."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chat.models import Conversation, Message
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation, make_message

RICH = r"""## The heat equation

Heat flows from **warm to cold**, the faster the steeper the slope: $q = -k \nabla u$.
With the balance of energy this becomes

$$\frac{\partial u}{\partial t} = \alpha
\left( \frac{\partial^2 u}{\partial x^2} + \frac{\partial^2 u}{\partial y^2} \right)$$

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


def make_states(tenant: Tenant) -> dict[str, Conversation]:
    """By name, the member's; the texts are RICH and HEBREW."""
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
