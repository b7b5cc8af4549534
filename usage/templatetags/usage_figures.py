"""Filters for figures: counts, money, shares."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template

register = template.Library()


@register.filter
def count(number: int) -> str:
    return f"{number:,}"


@register.filter
def money(cost: Decimal | int) -> str:
    """US dollars to the cent; what is less but not nothing to two digits."""
    amount = Decimal(cost)
    if amount and abs(amount) < Decimal("0.01"):
        return f"${amount:.2g}" if abs(amount) >= Decimal("0.0001") else "<$0.0001"
    return f"${amount:,.2f}"


@register.filter
def cost_of(sums: dict[str, Any]) -> str:
    """Of a row of sums: what has a price, and that something has none."""
    if not sums["unpriced_tokens"]:
        return money(sums["cost"])
    if not sums["cost"]:
        return "unpriced"
    return f"{money(sums['cost'])} + unpriced"


@register.filter
def percent_of(part: Decimal | int, whole: Decimal | int) -> int:
    """0 to 100, also of nothing."""
    return min(100, max(0, round(100 * part / whole))) if whole else 0
