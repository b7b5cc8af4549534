"""Keeps the roll-ups and what is spent of budgets, in the transaction that records a
call."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

from usage.models import UsageRecord
from usage.querysets import SUMS

# The tenant's time zone, and the budgets that apply to %(user)s, %(agent)s, %(key)s.
ZONE: Final = "SELECT COALESCE((SELECT time_zone FROM usage_usagesettings), 'UTC')"
APPLYING: Final = """(
    b.scope = 'tenant'
    OR (b.scope = 'user' AND b.subject_id = %(user)s::bigint)
    OR (b.scope = 'agent' AND b.subject_id = %(agent)s::bigint)
    OR (b.scope = 'key' AND b.subject_id = %(key)s::bigint)
)"""
# What the roll-ups say was used of budget `b` in the period from `start` on.
SPENT: Final = """
SELECT COALESCE(sum(d.total_tokens), 0)::bigint, COALESCE(sum(d.cost), 0)
FROM usage_dailyusage d
WHERE d.day >= start AND d.day < start + ('1 ' || b.period)::interval
  AND (b.scope = 'tenant' OR (b.scope = 'user' AND d.user_id = b.subject_id)
       OR (b.scope = 'agent' AND d.agent_id = b.subject_id)
       OR (b.scope = 'key' AND d.api_key_id = b.subject_id))
"""
_WHOSE: Final = "user_id, agent_id, api_key_id, model, kind"


def _added_to(table: str, column: str, period: str) -> str:
    return f"""
    INSERT INTO {table} AS d ({column}, {_WHOSE}, {", ".join(SUMS)})
    SELECT date_trunc('{period}', %(at)s AT TIME ZONE zone.name)::date,
        %(user)s, %(agent)s, %(key)s, %(model)s, %(kind)s,
        {", ".join(f"%({name})s" for name in SUMS)}
    FROM zone
    ON CONFLICT ({column}, {_WHOSE}) DO UPDATE SET
        {", ".join(f"{name} = d.{name} + EXCLUDED.{name}" for name in SUMS)}
    """  # noqa: S608  # constants


# Adds one record to its day, its month, and the periods of its budgets that have a row
# already, in the order in which everybody locks them. Returns the budgets that have
# none.
_ADD: Final = f"""
WITH zone AS ({ZONE} AS name),
daily AS ({_added_to("usage_dailyusage", "day", "day")}
), monthly AS ({_added_to("usage_monthlyusage", "month", "month")}
), due AS (
    SELECT b.id, date_trunc(b.period, %(at)s AT TIME ZONE zone.name)::date AS start
    FROM usage_budget b, zone WHERE {APPLYING}
), locked AS (
    SELECT p.id FROM usage_budgetperiod p
    JOIN due ON due.id = p.budget_id AND due.start = p.start
    ORDER BY p.budget_id FOR UPDATE OF p
), spent AS (
    UPDATE usage_budgetperiod p SET
        spent_tokens = spent_tokens + %(total_tokens)s,
        spent_cost = spent_cost + %(cost)s
    FROM locked WHERE p.id = locked.id
    RETURNING p.budget_id
)
SELECT due.id, due.start FROM due
WHERE due.id NOT IN (SELECT budget_id FROM spent) ORDER BY due.id
"""  # noqa: S608  # constants
# A budget's new period begins with what the roll-ups have, this record included. Where
# another transaction was faster, its sum cannot have had what is not committed yet. The
# budget is locked, since PostgreSQL looks for it at the commit, when it may be deleted.
_OPEN: Final = f"""
INSERT INTO usage_budgetperiod AS p (
    budget_id, start, spent_tokens, spent_cost, reserved_tokens, reserved_cost,
    mailed_percent)
SELECT b.id, start, spent.tokens, spent.cost, 0, 0, 0
FROM usage_budget b, (SELECT %(start)s::date AS start) AS s,
     LATERAL ({SPENT}) AS spent(tokens, cost)
WHERE b.id = %(budget)s FOR KEY SHARE OF b
ON CONFLICT (budget_id, start) DO UPDATE SET
    spent_tokens = p.spent_tokens + %(tokens)s, spent_cost = p.spent_cost + %(cost)s
"""  # noqa: S608  # constants


def roll_up(record: UsageRecord) -> None:
    """Add a record to the roll-ups and to what is spent of its budgets. Locks its rows
    of the day and the month, then the budgets' periods in the order of the budgets'
    ids."""
    values = _values(record)
    with connection.cursor() as cursor:
        cursor.execute(_ADD, values)
        missing: list[tuple[int, date]] = cursor.fetchall()
        for budget, start in missing:
            open_period(
                cursor,
                budget,
                start,
                tokens=values["total_tokens"],
                cost=values["cost"],
            )


def open_period(
    cursor: CursorWrapper,
    budget: int,
    start: date,
    *,
    tokens: int = 0,
    cost: Decimal | int = 0,
) -> None:
    """A budget's period, spent as the roll-ups say; if there is one by now, with
    `tokens` and `cost` added, which are in the roll-ups but not committed yet."""
    cursor.execute(
        _OPEN, {"budget": budget, "start": start, "tokens": tokens, "cost": cost}
    )


def subject_values(
    user_id: int, agent_id: int | None, api_key_id: int | None
) -> dict[str, Any]:
    """The parameters of APPLYING."""
    return {"user": user_id, "agent": agent_id, "key": api_key_id}


def _values(record: UsageRecord) -> dict[str, Any]:
    """What one record adds. A correction is no call."""
    is_call = record.kind != UsageRecord.Kind.CORRECTION
    failed = record.status in {"failed", "interrupted"}
    return {
        **subject_values(record.user_id, record.agent_id, record.api_key_id),
        "at": record.created_at,
        "model": record.model,
        "kind": record.kind,
        "calls": int(is_call),
        "failures": int(is_call and failed),
        "estimated_calls": int(record.estimated),
        "prompt_tokens": record.prompt_tokens,
        "cached_tokens": record.cached_tokens,
        "completion_tokens": record.completion_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "total_tokens": record.total_tokens,
        "unpriced_tokens": record.total_tokens if record.cost is None else 0,
        "cost": record.cost or 0,
        "first_tokens": int(record.ttft_ms is not None),
        "ttft_ms": record.ttft_ms or 0,
        "duration_ms": record.duration_ms,
    }
