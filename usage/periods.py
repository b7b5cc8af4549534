"""Days and months of the current tenant, in its time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone
from rest_framework.exceptions import ValidationError

from usage.models import UsageSettings

# Ten years, which is more than anybody bills at once.
MOST_DAYS: Final = 3_660


@dataclass(frozen=True, slots=True)
class Span:
    """Whole days, both included, as a time zone has them."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time.min, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.last + timedelta(1), time.min, self.zone)


def today() -> Span:
    zone = ZoneInfo(UsageSettings.current().time_zone)
    day = timezone.now().astimezone(zone).date()
    return Span(day, day, zone)


def month_of(day: date, zone: ZoneInfo) -> Span:
    first = day.replace(day=1)
    last = (first + timedelta(32)).replace(day=1) - timedelta(1)
    return Span(first, last, zone)


def asked_span(first: str | None, last: str | None) -> Span:
    """From `YYYY-MM-DD` to `YYYY-MM-DD`; left out: this month up to today.

    Raises DRF's ValidationError for what is no date, and for more than MOST_DAYS.
    """
    now = today()
    to = now.first if last is None else _day("to", last)
    since = to.replace(day=1) if first is None else _day("from", first)
    if since > to:
        raise ValidationError({"from": ["It lies after to."]})
    if (to - since).days >= MOST_DAYS:
        raise ValidationError({"from": [f"At most {MOST_DAYS} days at once."]})
    return Span(since, to, now.zone)


def asked_month(month: str | None) -> Span:
    """The month `YYYY-MM`; left out: the current one. Raises ValidationError."""
    now = today()
    if month is None:
        return month_of(now.first, now.zone)
    day = _day("month", f"{month}-01", "Give a month as 2026-11.")
    return month_of(day, now.zone)


def _day(name: str, text: str, hint: str = "Give a day as 2026-11-22.") -> date:
    # fromisoformat takes more forms than this, and years whose next day there is not.
    if len(text) == 10 and text.isascii():
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = date.min
        if 1900 <= day.year <= 2200:
            return day
    raise ValidationError({name: [hint]})
