"""Holds back what a turn may use of its budgets, and gives back what it did not.

In the transactions that start and end a turn. The budgets' periods are locked in the
order of the budgets' ids, after everything else a transaction locks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from llm import tokens
from llm.client import Prompt
from llm.events import Usage
from llm.prompt import text_of
from usage.errors import BudgetExceededError
from usage.pricing import UnitPrice, cost_of
from usage.services import rates
from usage.services.granting import Grant
from usage.services.prices import RULE, rule_price
from usage.services.recording import Subject
from usage.services.rolling import (
    APPLYING,
    SUBJECT,
    ZONE,
    open_period,
    subject_values,
)

# A shorter reply is of no use to anybody, unless it was asked for.
MINIMAL_REPLY: Final = 16
_MILLION: Final = 1_000_000
# Bytes of a prompt that are counted in a millisecond or so.
_QUICKLY: Final = 8_192
# What a message takes besides its text, in tokens and rather more.
_FRAME: Final = 16
# Of running turns that hold what is missing.
_SOON: Final = 10

# In one statement all that the start of a turn has to know: a row for each budget, or
# one without.
_TERMS: Final = f"""
WITH zone AS ({ZONE} AS name)
SELECT rule.*, s.key_turns_per_minute, s.user_turns_per_minute,
       s.tenant_turns_per_minute, s.user_streams, s.tenant_streams,
       b.id, b.scope, b.period, b.limit_tokens, b.limit_cost, w.start,
       (w.start + ('1 ' || b.period)::interval) AT TIME ZONE zone.name, zone.name,
       p.id, COALESCE(p.spent_tokens + p.reserved_tokens, 0)
FROM zone CROSS JOIN {SUBJECT}
LEFT JOIN usage_usagesettings s ON true
LEFT JOIN LATERAL ({RULE}) AS rule ON true
LEFT JOIN usage_budget b ON {APPLYING}
LEFT JOIN LATERAL (
    SELECT date_trunc(b.period, now() AT TIME ZONE zone.name)::date
) AS w(start) ON true
LEFT JOIN usage_budgetperiod p ON p.budget_id = b.id AND p.start = w.start
ORDER BY b.id
"""  # noqa: S608  # constants
_LOCK: Final = """
SELECT p.budget_id, p.id, p.spent_tokens, p.spent_cost,
       p.reserved_tokens, p.reserved_cost
FROM usage_budgetperiod p
JOIN unnest(%s::bigint[], %s::date[]) AS due(budget_id, start)
    ON due.budget_id = p.budget_id AND due.start = p.start
ORDER BY p.budget_id FOR UPDATE OF p
"""
_RESERVE: Final = """
WITH held AS (
    INSERT INTO usage_reservation (turn_id, period_id, tokens, cost, lapses_at)
    SELECT %(turn)s, id, %(tokens)s, %(cost)s, %(lapses_at)s
    FROM unnest(%(periods)s::bigint[]) AS id
)
UPDATE usage_budgetperiod SET reserved_tokens = reserved_tokens + %(tokens)s,
    reserved_cost = reserved_cost + %(cost)s
WHERE id = ANY(%(periods)s)
"""
# Periods before reservations, as everybody locks them.
_RELEASE: Final = """
WITH locked AS MATERIALIZED (
    SELECT p.id FROM usage_budgetperiod p WHERE p.id IN (
        SELECT period_id FROM usage_reservation
        WHERE turn_id = %(turn)s OR lapses_at < %(now)s)
    ORDER BY p.budget_id, p.start FOR UPDATE
), gone AS (
    DELETE FROM usage_reservation r USING locked
    WHERE r.period_id = locked.id AND (r.turn_id = %(turn)s OR r.lapses_at < %(now)s)
    RETURNING r.period_id, r.tokens, r.cost
)
UPDATE usage_budgetperiod p SET reserved_tokens = reserved_tokens - sums.tokens,
    reserved_cost = reserved_cost - sums.cost
FROM (SELECT period_id, sum(tokens) AS tokens, sum(cost) AS cost
      FROM gone GROUP BY period_id) AS sums
WHERE p.id = sums.period_id
"""


@dataclass(frozen=True, slots=True)
class _Budget:
    """One that applies, in its current period; `used` when last looked at, unlocked."""

    id: int
    scope: str
    period: str
    limit_tokens: int | None
    limit_cost: Decimal | None
    start: date
    resets_at: datetime
    zone: str
    period_id: int | None
    used: int


@dataclass(frozen=True, slots=True)
class _State:
    """Of a period whose row is locked."""

    period_id: int
    spent_tokens: int
    spent_cost: Decimal
    reserved_tokens: int
    reserved_cost: Decimal


@dataclass(frozen=True, slots=True)
class _Need:
    """What a call takes at most: its prompt, and a sum for each token of the reply."""

    prompt_tokens: int
    prompt_cost: Decimal
    reply_tokens: int
    token_cost: Decimal

    def besides(self, lost: Sequence[tuple[Usage, UnitPrice | None]]) -> _Need:
        """With what other calls used already, each at its price."""
        used = sum(usage.total_tokens for usage, _ in lost)
        costs = [cost_of(usage, price) or Decimal(0) for usage, price in lost]
        return replace(
            self,
            prompt_tokens=self.prompt_tokens + used,
            prompt_cost=self.prompt_cost + sum(costs, Decimal(0)),
        )

    def cost(self, reply_tokens: int) -> Decimal:
        return self.prompt_cost + reply_tokens * self.token_cost

    def reply_within(self, left_tokens: int | None, left_cost: Decimal | None) -> int:
        """How long a reply fits into what is left; below 0 if not even the prompt."""
        fits = self.reply_tokens
        if left_tokens is not None:
            fits = min(fits, left_tokens - self.prompt_tokens)
        # What costs nothing is not refused for want of money.
        if left_cost is not None and self.cost(fits) > max(left_cost, Decimal(0)):
            if not self.token_cost:
                return -1
            money = (left_cost - self.prompt_cost) / self.token_cost
            fits = min(fits, int(money.to_integral_value(ROUND_FLOOR)))
        return fits


def reserve(
    *,
    subject: Subject,
    prompt: Callable[[], Prompt | None],
    running: Callable[[rates.RateScope], int],
) -> Grant:
    """The terms of a turn that begins, what it may use held back in all its budgets.

    `prompt` gives the call, which is looked at only where a budget applies, or None if
    none will be made; `running` counts turns as `rates.take` has it. Raises
    RateLimitedError and BudgetExceededError; the transaction must then be rolled back.
    """
    rows = _terms(subject, timezone.now())
    headers = rates.take(_rates(subject, rows[0][4:9]), running)
    return replace(_granted(subject, rows, prompt), headers=headers)


@transaction.atomic
def reserve_call(
    *,
    subject: Subject,
    prompt: Prompt,
    priced_at: datetime | None = None,
    lapses_at: datetime | None = None,
    lost: Sequence[tuple[Usage, UnitPrice | None]] = (),
) -> Grant:
    """The terms of a single call, which counts for no rate: one of our own, or that of
    a turn's next model. What `subject.turn_id` held before is given back first.

    `priced_at` is now unless given. What no turn holds needs a moment `lapses_at`, from
    which on it is given back though nobody settles. `lost` is held besides: what calls
    of the turn used that failed and are not recorded yet. Raises BudgetExceededError,
    and then nothing has changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, {"turn": subject.turn_id, "now": None})
    rows = _terms(subject, priced_at or timezone.now())
    granted = _granted(subject, rows, lambda: prompt, lapses_at, lost)
    return granted.priced(prompt)


def release_lapsed() -> None:
    """Give back what calls of our own held whose process died."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, {"turn": None, "now": timezone.now()})


def _terms(subject: Subject, at: datetime) -> list[Sequence[Any]]:
    """The rows of _TERMS, with the rules that held `at` that moment."""
    values = subject_values(subject.user_id, subject.agent_id, subject.api_key_id)
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, {**values, "model": subject.model, "at": at})
        return list(cursor.fetchall())


def _granted(
    subject: Subject,
    rows: list[Sequence[Any]],
    prompt: Callable[[], Prompt | None],
    lapses_at: datetime | None = None,
    lost: Sequence[tuple[Usage, UnitPrice | None]] = (),
) -> Grant:
    grant = Grant(price=rule_price(rows[0][:4]))
    budgets = [_Budget(*row[9:]) for row in rows if row[9] is not None]
    call = prompt() if budgets else None
    if call is None:
        return grant
    grant = grant.priced(call)
    need = _need(call, grant.price, budgets).besides(lost)
    reply_tokens = _hold(subject.turn_id, budgets, need, lapses_at)
    is_cut = reply_tokens < need.reply_tokens
    return replace(grant, reply_tokens=reply_tokens, is_cut=is_cut)


def _rates(subject: Subject, limits: Sequence[int | None]) -> list[rates.Rate]:
    """Widest last: its row is locked for the shortest time."""
    key, user, tenant, user_streams, tenant_streams = limits
    found = [
        rates.Rate("user", subject.user_id, user, user_streams),
        rates.Rate("tenant", 0, tenant, tenant_streams),
    ]
    if subject.api_key_id is not None:
        found.insert(0, rates.Rate("key", subject.api_key_id, key))
    return found


def _need(call: Prompt, price: UnitPrice | None, budgets: list[_Budget]) -> _Need:
    """Counted exactly where that takes no time or where little is left; else as many
    tokens as there are bytes, for there cannot be more: a guess that were too low would
    overspend. A call without a known price takes no money that could be counted."""
    most = call.parameters.get("max_tokens")
    reply = most if isinstance(most, int) else 0
    texts = (text_of(message) for message in call.messages)
    prompt = sum(len(text.encode("utf-8", "replace")) for text in texts)
    prompt += _FRAME * len(call.messages)
    if prompt <= _QUICKLY or _is_tight(budgets, prompt + reply):
        prompt = tokens.count_messages(call.messages, call.model)
    if price is None:
        return _Need(prompt, Decimal(0), reply, Decimal(0))
    # At most: nobody knows yet what will be cached, or thought and not said.
    prompt_cost = prompt * max(price.input, price.cached_input) / _MILLION
    token_cost = max(price.output, price.reasoning) / _MILLION
    return _Need(prompt, prompt_cost, reply, token_cost)


def _is_tight(budgets: list[_Budget], wanted: int) -> bool:
    return any(
        b.limit_cost is not None or b.used + wanted > (b.limit_tokens or 0)
        for b in budgets
    )


def _hold(
    turn_id: str, budgets: list[_Budget], need: _Need, lapses_at: datetime | None
) -> int:
    """Reserve in all budgets what the tightest allows; the reply's tokens."""
    with connection.cursor() as cursor:
        for budget in budgets:
            if budget.period_id is None:
                open_period(cursor, budget.id, budget.start)
        cursor.execute(_LOCK, [[b.id for b in budgets], [b.start for b in budgets]])
        # Without those of budgets that were deleted a moment ago.
        states = {row[0]: _State(*row[1:]) for row in cursor.fetchall()}
        fits = need.reply_tokens
        for budget in budgets:
            if budget.id in states:
                fits = min(fits, _room(budget, states[budget.id], need))
        cursor.execute(
            _RESERVE,
            {
                "turn": turn_id,
                "tokens": need.prompt_tokens + fits,
                "cost": need.cost(fits),
                "periods": [state.period_id for state in states.values()],
                "lapses_at": lapses_at,
            },
        )
    return fits


def _room(budget: _Budget, state: _State, need: _Need) -> int:
    """The reply that one budget allows; raises BudgetExceededError for too short a
    one."""
    minimum = min(MINIMAL_REPLY, need.reply_tokens)
    fits = need.reply_within(
        _left(budget.limit_tokens, state.spent_tokens + state.reserved_tokens),
        _left(budget.limit_cost, state.spent_cost + state.reserved_cost),
    )
    if fits >= minimum:
        return fits
    unreserved = need.reply_within(
        _left(budget.limit_tokens, state.spent_tokens),
        _left(budget.limit_cost, state.spent_cost),
    )
    raise _refusal(budget, only_held=unreserved >= minimum)


def _left(limit: Any, used: Any) -> Any:
    return None if limit is None else limit - used


# Also what warnings call a budget.
WHOSE: Final = {
    "tenant": _("This workspace's budget"),
    "user": _("Your budget"),
    "agent": _("This agent's budget"),
    "key": _("This API key's budget"),
}
_A_PERIOD: Final = {"day": _("a day"), "month": _("a month")}


def _refusal(budget: _Budget, *, only_held: bool) -> BudgetExceededError:
    limits = []
    if budget.limit_tokens is not None:
        limits.append(format_lazy(_("{} tokens"), f"{budget.limit_tokens:,}"))
    if budget.limit_cost is not None:
        dollars = f"{budget.limit_cost.normalize():,f}"
        limits.append(format_lazy(_("{} US dollars"), dollars))
    which = {
        "budget": WHOSE[budget.scope],
        "limits": format_lazy(", ".join(["{}"] * len(limits)), *limits),
        "period": _A_PERIOD[budget.period],
    }
    if only_held:
        held = _(
            "{budget} ({limits} {period}) is held by answers that are being written. "
            "Try again shortly."
        )
        return BudgetExceededError(format_lazy(held, **which), retry_after=_SOON)
    local = budget.resets_at.astimezone(ZoneInfo(budget.zone))
    return BudgetExceededError(
        format_lazy(
            _(
                "{budget} ({limits} {period}) has too little left for this message. "
                "It starts anew on {date}, {time} ({zone})."
            ),
            **which,
            date=f"{local:%Y-%m-%d}",
            time=f"{local:%H:%M}",
            zone=budget.zone,
        ),
        retry_after=max(1.0, (budget.resets_at - timezone.now()).total_seconds()),
    )
