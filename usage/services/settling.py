"""The end of turns: gives back what was held for them, and says which budgets are
nearly or wholly used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.utils.translation import gettext

from accounts.models import ApiKey, User
from usage.services.recording import Subject
from usage.services.reserving import MINIMAL_REPLY, WHOSE
from usage.services.rolling import APPLYING, ZONE

# After `roll_up` of the same transaction has locked the current periods. The shares are
# those of the budget's tighter limit; too little for any reply is all.
_SETTLE: Final = f"""
WITH zone AS ({ZONE} AS name),
subject AS (
    SELECT * FROM unnest(%(users)s::bigint[], %(agents)s::bigint[], %(keys)s::bigint[])
        AS subject(user_id, agent_id, api_key_id)
), gone AS (
    DELETE FROM usage_reservation WHERE turn_id = ANY(%(turns)s)
    RETURNING period_id, tokens, cost
), held AS (
    SELECT period_id, sum(tokens) AS tokens, sum(cost) AS cost FROM gone GROUP BY 1
), due AS (
    SELECT DISTINCT p.id,
        p.spent_tokens >= b.limit_tokens * 0.8 OR p.spent_cost >= b.limit_cost * 0.8
            AS is_near,
        p.spent_tokens + {MINIMAL_REPLY} > b.limit_tokens
            OR p.spent_cost >= b.limit_cost AS is_over
    FROM usage_budget b JOIN subject ON {APPLYING} JOIN zone ON true
    JOIN usage_budgetperiod p ON p.budget_id = b.id
        AND p.start = date_trunc(b.period, now() AT TIME ZONE zone.name)::date
), locked AS (
    SELECT p.id, COALESCE(held.tokens, 0) AS tokens, COALESCE(held.cost, 0) AS cost,
        is_near, is_over
    FROM (SELECT id FROM due UNION SELECT period_id FROM held) AS touched
    JOIN usage_budgetperiod p ON p.id = touched.id
    LEFT JOIN due ON due.id = p.id
    LEFT JOIN held ON held.period_id = p.id
    ORDER BY p.budget_id, p.start FOR UPDATE OF p
), settled AS (
    UPDATE usage_budgetperiod p SET
        reserved_tokens = reserved_tokens - locked.tokens,
        reserved_cost = reserved_cost - locked.cost,
        warned_at_80 = CASE WHEN is_near THEN COALESCE(warned_at_80, now())
                            ELSE warned_at_80 END,
        warned_at_100 = CASE WHEN is_over THEN COALESCE(warned_at_100, now())
                             ELSE warned_at_100 END
    FROM locked WHERE p.id = locked.id
    RETURNING p.budget_id, p.warned_at_100 = now() AS now_over,
        p.warned_at_80 = now() AS now_near
)
SELECT b.id, b.scope, b.subject_id, b.period,
    CASE WHEN now_over THEN 100 ELSE 80 END
FROM settled JOIN usage_budget b ON b.id = settled.budget_id
WHERE now_over OR now_near ORDER BY b.id
"""  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Alert:
    """A budget of which `percent` (80 or 100) has just been used up, and whom that
    concerns: the person or the key's owner, for all others the admins."""

    budget_id: int
    scope: str
    subject_id: int | None
    period: str
    percent: int
    user_ids: tuple[int, ...]


def sentence(scope: str, period: str, percent: int) -> str:
    """Of a budget, what a person is told, in the language in force."""
    said = {
        ("day", False): gettext("%(budget)s for today is %(percent)d %% used."),
        ("day", True): gettext("%(budget)s for today is used up."),
        ("month", False): gettext("%(budget)s for this month is %(percent)d %% used."),
        ("month", True): gettext("%(budget)s for this month is used up."),
    }
    named = {"budget": WHOSE[scope], "percent": percent}
    return said[period, percent == 100] % named


def concerned(scope: str, subject_id: int | None) -> list[User]:
    """Whom warnings about such a budget are for."""
    people = User.objects.filter(is_active=True)
    match scope:
        case "user":
            people = people.filter(pk__in=[subject_id])
        case "key":
            owner = ApiKey.objects.filter(pk=subject_id).values("user")
            people = people.filter(pk__in=owner)
        case _:
            people = people.filter(role__in=[User.Role.OWNER, User.Role.ADMIN])
    return list(people.order_by("pk"))


def settle(subjects: Sequence[Subject]) -> list[Alert]:
    """Release what turns reserved; harmless where they have nothing. Call it after
    their last calls were recorded, in that transaction.

    Each alert is returned once for each budget and period.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE,
            {
                "users": [subject.user_id for subject in subjects],
                "agents": [subject.agent_id for subject in subjects],
                "keys": [subject.api_key_id for subject in subjects],
                "turns": [subject.turn_id for subject in subjects],
            },
        )
        rows: list[tuple[int, str, int | None, str, int]] = cursor.fetchall()
    return [
        Alert(*row, tuple(person.pk for person in concerned(row[1], row[2])))
        for row in rows
    ]
