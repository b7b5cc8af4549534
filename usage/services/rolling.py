"""Keeps the roll-ups and what is spent of budgets, in the transaction that records a
call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import orjson
from django.db import connection
from django.db.backends.utils import CursorWrapper

from usage.models import UsageRecord
from usage.querysets import SUMS

# The tenant's time zone; who a call is charged to; and the budgets that apply to that.
ZONE: Final = "SELECT COALESCE((SELECT time_zone FROM usage_usagesettings), 'UTC')"
SUBJECT: Final = """
(VALUES (%(user)s::bigint, %(agent)s::bigint, %(key)s::bigint))
AS subject(user_id, agent_id, api_key_id)
"""
APPLYING: Final = """(
    b.scope = 'tenant'
    OR (b.scope = 'user' AND b.subject_id = subject.user_id)
    OR (b.scope = 'agent' AND b.subject_id = subject.agent_id)
    OR (b.scope = 'key' AND b.subject_id = subject.api_key_id)
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


_GIVEN: Final = ", ".join(
    f"{name} {'numeric' if name == 'cost' else 'bigint'}" for name in SUMS
)


def _added_to(table: str, column: str, period: str) -> str:
    """In one order everywhere, so that nobody waits for each other in a circle."""
    return f"""
    INSERT INTO {table} AS d ({column}, {_WHOSE}, {", ".join(SUMS)})
    SELECT date_trunc('{period}', local)::date, {_WHOSE},
        {", ".join(f"sum({name})" for name in SUMS)}
    FROM subject GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT ({column}, {_WHOSE}) DO UPDATE SET
        {", ".join(f"{name} = d.{name} + EXCLUDED.{name}" for name in SUMS)}
    """  # noqa: S608  # constants


# Adds records to their days, their months, and the periods of their budgets that have a
# row already, in the order in which everybody locks them. Returns the budgets that have
# none, and what the records add to them.
_ADD: Final = f"""
WITH zone AS ({ZONE} AS name),
subject AS (
    SELECT given.*, at AT TIME ZONE zone.name AS local
    FROM zone, jsonb_to_recordset(%s::jsonb) AS given(
        at timestamptz, user_id bigint, agent_id bigint, api_key_id bigint, model text,
        kind text, {_GIVEN}
    )
),
daily AS ({_added_to("usage_dailyusage", "day", "day")}
), monthly AS ({_added_to("usage_monthlyusage", "month", "month")}
), due AS (
    SELECT b.id, date_trunc(b.period, local)::date AS start,
        sum(total_tokens)::bigint AS tokens, sum(cost) AS cost
    FROM usage_budget b JOIN subject ON {APPLYING} GROUP BY 1, 2
), locked AS (
    SELECT p.id, due.tokens, due.cost FROM usage_budgetperiod p
    JOIN due ON due.id = p.budget_id AND due.start = p.start
    ORDER BY p.budget_id, p.start FOR UPDATE OF p
), spent AS (
    UPDATE usage_budgetperiod p SET
        spent_tokens = spent_tokens + locked.tokens,
        spent_cost = spent_cost + locked.cost
    FROM locked WHERE p.id = locked.id
    RETURNING p.budget_id, p.start
)
SELECT due.id, due.start, due.tokens, due.cost FROM due
WHERE (due.id, due.start) NOT IN (SELECT budget_id, start FROM spent)
ORDER BY due.id, due.start
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


def roll_up(records: Sequence[UsageRecord]) -> None:
    """Add records to the roll-ups and to what is spent of their budgets. Locks their
    rows of the day and the month, and the budgets' periods in the order of the budgets'
    ids."""
    given = orjson.dumps([_values(record) for record in records]).decode()
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [given])
        missing: list[tuple[int, date, int, Decimal]] = cursor.fetchall()
        for budget, start, tokens, cost in missing:
            open_period(cursor, budget, start, tokens=tokens, cost=cost)


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
    """The parameters of SUBJECT."""
    return {"user": user_id, "agent": agent_id, "key": api_key_id}


def _values(record: UsageRecord) -> dict[str, Any]:
    """What one record adds. A correction is no call."""
    is_call = record.kind != UsageRecord.Kind.CORRECTION
    failed = record.status in {"failed", "interrupted"}
    return {
        "user_id": record.user_id,
        "agent_id": record.agent_id,
        "api_key_id": record.api_key_id,
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
        "cost": str(record.cost or 0),
        "first_tokens": int(record.ttft_ms is not None),
        "ttft_ms": record.ttft_ms or 0,
        "duration_ms": record.duration_ms,
    }
