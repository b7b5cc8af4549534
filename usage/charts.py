"""A month's days as bars of an SVG that the server draws: attributes only, since our
policy allows no styles in a page. It says nothing that the table below it does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from usage.periods import Span
from usage.querysets import Sums

WIDTH: Final = 620
HEIGHT: Final = 120
# Of which every so many days the number stands below the bars.
_LABEL_EVERY: Final = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """In units of the SVG; `label` is empty where none stands below the bar."""

    x: int
    y: int
    width: int
    height: int
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    bars: list[Bar]
    most: int
    width: int = WIDTH
    height: int = HEIGHT


def chart(days: list[Sums], span: Span) -> Chart:
    """Tokens of each day of `span`; a day that used something shows at least a line."""
    tokens = {row["key"]: row["total_tokens"] for row in days}
    most = max(tokens.values(), default=0)
    count = (span.last - span.first).days + 1
    step = WIDTH // count
    bars = []
    for number in range(count):
        day = span.first + timedelta(number)
        used = tokens.get(str(day), 0)
        height = max(2, round(used / most * HEIGHT)) if used > 0 else 0
        label = str(day.day) if number % _LABEL_EVERY == 0 else ""
        bars.append(Bar(number * step, HEIGHT - height, step - 4, height, label))
    return Chart(bars, most)
