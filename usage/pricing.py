"""What tokens cost: unit prices, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from llm import catalogue
from llm.events import Usage

CURRENCY: Final = "USD"
_MILLION: Final = 1_000_000
# What the ledger keeps of an amount.
_PLACES: Final = Decimal("1E-10")


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """US dollars for a million tokens of each sort.

    `cached_input` is for prompt tokens the provider read from its cache, `reasoning`
    for completion tokens that are no part of the answer.
    """

    input: Decimal
    cached_input: Decimal
    output: Decimal
    reasoning: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """US dollars, to the last place that is stored."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
        millionths = (
            (usage.prompt_tokens - cached) * self.input
            + cached * self.cached_input
            + (usage.completion_tokens - reasoning) * self.output
            + reasoning * self.reasoning
        )
        return (millionths / _MILLION).quantize(_PLACES)


def list_price(provider: str, model: str) -> UnitPrice | None:
    """What LiteLLM's list says for a kind of provider and a bare model name; zeros for
    the local model, None where it says nothing."""
    known = catalogue.price(provider, model)
    if known is None:
        return None
    return UnitPrice(
        input=known.input * _MILLION,
        cached_input=known.cached * _MILLION,
        output=known.output * _MILLION,
        reasoning=known.reasoning * _MILLION,
    )


def cost_of(usage: Usage, price: UnitPrice | None) -> Decimal | None:
    """None: no price is known. Nothing costs nothing, whatever the price."""
    if price is None:
        return None if usage.total_tokens else Decimal(0)
    return price.cost(usage)


def cost_text(cost: Decimal | None) -> str | None:
    """A cost as every answer of ours has it: exact, no exponent, no idle zeros."""
    return None if cost is None else f"{cost.normalize():f}"
