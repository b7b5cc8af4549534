"""The roll-ups made again from the ledger, and compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.db import connection, transaction

from usage.models import MonthlyUsage
from usage.querysets import SUMS
from usage.services.rolling import SPENT, ZONE

_WHOSE: Final = "user_id, agent_id, api_key_id, model, kind"
_KEYS: Final = f"day, {_WHOSE}"
_COLUMNS: Final = ", ".join(SUMS)
# What the roll-ups must say, in the order of SUMS.
_FROM_LEDGER: Final = f"""
SELECT (created_at AT TIME ZONE zone.name)::date AS day, user_id, agent_id, api_key_id,
    model, kind,
    count(*) FILTER (WHERE kind <> 'correction') AS calls,
    count(*) FILTER (WHERE kind <> 'correction'
        AND status IN ('failed', 'interrupted')) AS failures,
    count(*) FILTER (WHERE estimated) AS estimated_calls,
    sum(prompt_tokens)::bigint AS prompt_tokens,
    sum(cached_tokens)::bigint AS cached_tokens,
    sum(completion_tokens)::bigint AS completion_tokens,
    sum(reasoning_tokens)::bigint AS reasoning_tokens,
    sum(total_tokens)::bigint AS total_tokens,
    COALESCE(sum(total_tokens) FILTER (WHERE cost IS NULL), 0)::bigint
        AS unpriced_tokens,
    COALESCE(sum(cost), 0) AS cost,
    count(ttft_ms) AS first_tokens,
    COALESCE(sum(ttft_ms), 0)::bigint AS ttft_ms,
    sum(duration_ms)::bigint AS duration_ms
FROM usage_usagerecord, ({ZONE} AS name) AS zone
"""  # noqa: S608  # constants
_DAYS: Final = f"""
SELECT min(day), max(day) FROM (
    SELECT (min(created_at) AT TIME ZONE zone.name)::date AS day
    FROM usage_usagerecord, ({ZONE} AS name) AS zone GROUP BY zone.name
    UNION ALL SELECT (max(created_at) AT TIME ZONE zone.name)::date
    FROM usage_usagerecord, ({ZONE} AS name) AS zone GROUP BY zone.name
    UNION ALL SELECT min(day) FROM usage_dailyusage
    UNION ALL SELECT max(day) FROM usage_dailyusage
) AS days
"""  # noqa: S608  # constants
# The wide bounds are for the index: where clocks go back at midnight, a day begins
# before the moment that PostgreSQL takes for its midnight.
_MAKE: Final = f"""
INSERT INTO usage_dailyusage ({_KEYS}, {_COLUMNS})
{_FROM_LEDGER}
WHERE created_at >= (%(day)s - interval '1 day') AT TIME ZONE zone.name
  AND created_at < (%(day)s + interval '2 days') AT TIME ZONE zone.name
  AND (created_at AT TIME ZONE zone.name)::date = %(day)s
GROUP BY {_KEYS}
"""
_ADDED: Final = ", ".join(
    f"sum({name}){'' if name == 'cost' else '::bigint'} AS {name}" for name in SUMS
)
_MAKE_MONTH: Final = f"""
INSERT INTO usage_monthlyusage (month, {_WHOSE}, {_COLUMNS})
SELECT %(month)s, {_WHOSE}, {_ADDED} FROM usage_dailyusage
WHERE day >= %(month)s AND day < %(month)s + interval '1 month' GROUP BY {_WHOSE}
"""  # noqa: S608  # constants
_WRONG_SPENT: Final = f"""
SELECT b.id, s.start, s.spent_tokens, spent.tokens, s.spent_cost, spent.cost
FROM usage_budget b JOIN usage_budgetperiod s ON s.budget_id = b.id,
     LATERAL ({SPENT}) AS spent(tokens, cost)
WHERE s.spent_tokens <> spent.tokens OR s.spent_cost <> spent.cost
"""  # noqa: S608  # constants
# One statement, and so one moment.
_DIFFERENCES: Final = f"""
WITH ledger AS ({_FROM_LEDGER} GROUP BY {_KEYS}),
months AS (
    SELECT date_trunc('month', day)::date AS month, {_WHOSE}, {_ADDED}
    FROM ledger GROUP BY 1, {_WHOSE}
),
daily AS (SELECT {_KEYS}, {_COLUMNS} FROM usage_dailyusage),
monthly AS (SELECT month, {_WHOSE}, {_COLUMNS} FROM usage_monthlyusage),
differing AS (
    (TABLE ledger EXCEPT TABLE daily) UNION ALL (TABLE daily EXCEPT TABLE ledger)
    UNION ALL
    (TABLE months EXCEPT TABLE monthly) UNION ALL (TABLE monthly EXCEPT TABLE months)
)
SELECT DISTINCT day, concat('user ', user_id, ', agent ', agent_id, ', key ',
                            api_key_id, ', ', model, ', ', kind) FROM differing
UNION ALL
SELECT start, concat('budget ', id, ': ', kept_tokens, ' tokens, ', kept_cost,
                     ' dollars; not ', tokens, ', ', cost)
FROM ({_WRONG_SPENT}) AS wrong(id, start, kept_tokens, tokens, kept_cost, cost)
ORDER BY 1, 2
"""  # noqa: S608  # constants
_SET_SPENT: Final = """
UPDATE usage_budgetperiod SET spent_tokens = %s, spent_cost = %s
WHERE budget_id = %s AND start = %s
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where roll-ups or budgets say something else than the ledger."""

    day: date
    what: str


def rebuild() -> int:
    """Make the roll-ups again, day by day, and from them the months and what is spent
    of the budgets; returns the number of days. Turns that end meanwhile wait for one
    day's or one month's work."""
    days = list(_days())
    for day in days:
        _rebuild_day(day)
    kept = MonthlyUsage.objects.order_by().values_list("month", flat=True).distinct()
    for month in sorted({*kept, *(day.replace(day=1) for day in days)}):
        _rebuild_month(month)
    _respend()
    return len(days)


def differences() -> list[Difference]:
    """All there are, as of one moment; safe while turns end."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES)
        return [Difference(*row) for row in cursor.fetchall()]


def _days() -> Iterator[date]:
    with connection.cursor() as cursor:
        cursor.execute(_DAYS)
        day, last = cursor.fetchone()
    while day is not None and day <= last:
        yield day
        day += timedelta(1)


@transaction.atomic
def _rebuild_day(day: date) -> None:
    with connection.cursor() as cursor:
        # Whoever records a call waits, and then adds it to the new sums.
        cursor.execute("LOCK TABLE usage_dailyusage IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM usage_dailyusage WHERE day = %s", [day])
        cursor.execute(_MAKE, {"day": day})


@transaction.atomic
def _rebuild_month(month: date) -> None:
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE usage_dailyusage IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM usage_monthlyusage WHERE month = %s", [month])
        cursor.execute(_MAKE_MONTH, {"month": month})


@transaction.atomic
def _respend() -> None:
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE usage_dailyusage IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(_WRONG_SPENT)
        for budget, start, _, tokens, _, cost in cursor.fetchall():
            cursor.execute(_SET_SPENT, [tokens, cost, budget, start])
