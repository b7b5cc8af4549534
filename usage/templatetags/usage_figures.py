"""Filters for figures: counts, money, shares."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django import template
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

register = template.Library()


# What rows can be grouped by; an agent's or a model's name stands below.
_GROUPS = {
    "day": _("Day"),
    "month": _("Month"),
    "user": _("Person"),
    "agent": _("Agent"),
    "model": _("Model"),
    "key": _("API key"),
}


@register.filter
def count(number: int) -> str:
    return number_format(number, use_l10n=True, force_grouping=True)


@register.filter(expects_localtime=True)
def stamp(moment: date, form: str = "Y-m-d") -> str:
    """A day or a time as figures, which keep their order where text runs from the right
    to the left too."""
    return format_html('<bdi dir="ltr">{}</bdi>', date_format(moment, form))


@register.filter
def within(words: str) -> str:
    """As they stand inside a sentence; a German noun keeps its capital."""
    return words[:1].lower() + words[1:]


@register.filter
def name_of(line: dict[str, Any]) -> str:
    """Of a line of usage.summaries."""
    return gettext("none") if line["key"] is None else str(line["label"])


@register.filter
def group_name(group: str) -> str:
    """Of usage.summaries, as a heading."""
    return str(_GROUPS[group])


@register.filter
def money(cost: Decimal | int) -> str:
    """US dollars to the cent; what is less but not nothing to two digits."""
    amount = Decimal(cost)
    if amount and abs(amount) < Decimal("0.0001"):
        return f"<${number_format('0.0001', use_l10n=True)}"
    if amount and abs(amount) < Decimal("0.01"):
        return f"${number_format(f'{amount:.2g}', use_l10n=True)}"
    shown = number_format(f"{amount:.2f}", use_l10n=True, force_grouping=True)
    return f"${shown}"


@register.filter
def seconds(milliseconds: int | None) -> str:
    """Of a mean, which there may be none of."""
    if milliseconds is None:
        return "-"
    number = number_format(f"{milliseconds / 1000:.1f}", use_l10n=True)
    return gettext("%(number)s s") % {"number": number}


@register.filter
def cost_of(sums: dict[str, Any]) -> str:
    """Of a row of sums: what has a price, and that something has none."""
    if not sums["unpriced_tokens"]:
        return money(sums["cost"])
    if not sums["cost"]:
        return gettext("unpriced")
    return f"{money(sums['cost'])} + {gettext('unpriced')}"


@register.filter
def percent_of(part: Decimal | int, whole: Decimal | int) -> int:
    """0 to 100, also of nothing."""
    return min(100, max(0, round(100 * part / whole))) if whole else 0
