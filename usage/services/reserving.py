"""Holds back what a turn may use of its budgets, and gives back what it did not.

In the transactions that start and end a turn. The budgets' periods are locked in the
order of the budgets' ids, after everything else a transaction locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from llm import tokens
from llm.client import Prompt
from usage.errors import BudgetExceededError
from usage.pricing import UnitPrice, list_price
from usage.services import rates
from usage.services.prices import RULE, rule_price
from usage.services.recording import Subject
from usage.services.rolling import APPLYING, ZONE, open_period, subject_values

# A shorter reply is of no use to anybody, unless it was asked for.
MINIMAL_REPLY: Final = 16
_MILLION: Final = 1_000_000
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
FROM zone
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
SELECT p.id, p.spent_tokens, p.spent_cost, p.reserved_tokens, p.reserved_cost
FROM usage_budgetperiod p
JOIN unnest(%s::bigint[], %s::date[]) AS due(budget_id, start)
    ON due.budget_id = p.budget_id AND due.start = p.start
ORDER BY p.budget_id FOR UPDATE OF p
"""
_RESERVE: Final = """
WITH held AS (
    INSERT INTO usage_reservation (turn_id, period_id, tokens, cost)
    SELECT %(turn)s, id, %(tokens)s, %(cost)s FROM unnest(%(periods)s::bigint[]) AS id
)
UPDATE usage_budgetperiod SET reserved_tokens = reserved_tokens + %(tokens)s,
    reserved_cost = reserved_cost + %(cost)s
WHERE id = ANY(%(periods)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """On what terms a turn may run.

    `price` is None where none is known. `reply_tokens` is what the reply may have, None
    where no budget applies, and `reply_cost` what it may cost, None where none in money
    does or the model costs nothing; `is_cut` says that it is less than was asked for.
    `headers` tell the client what is left of its rate.
    """

    price: UnitPrice | None = None
    reply_tokens: int | None = None
    reply_cost: Decimal | None = None
    is_cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def priced(self, prompt: Prompt) -> Grant:
        """With the list's price of that call, where the tenant has none."""
        if self.price is not None:
            return self
        return replace(self, price=list_price(prompt.endpoint.provider, prompt.model))

    def moved(self, price: UnitPrice | None) -> Grant:
        """For another model, which has to do with the money that is held."""
        moved = replace(self, price=price)
        token_cost = _token_cost(price)
        if self.reply_tokens is None or self.reply_cost is None or not token_cost:
            return moved
        fits = int((self.reply_cost / token_cost).to_integral_value(ROUND_FLOOR))
        if fits >= self.reply_tokens:
            return moved
        return replace(moved, reply_tokens=max(1, fits), is_cut=True)

    def limited(self, prompt: Prompt) -> Prompt:
        """The call as it may be made."""
        if self.reply_tokens is None:
            return prompt
        most = {
            name: min(value, self.reply_tokens)
            for name in ("max_tokens", "max_completion_tokens")
            if isinstance(value := prompt.parameters.get(name), int)
        }
        return replace(prompt, parameters={**prompt.parameters, **most})


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
    with connection.cursor() as cursor:
        values = subject_values(subject.user_id, subject.agent_id, subject.api_key_id)
        values |= {"model": subject.model, "at": timezone.now()}
        cursor.execute(_TERMS, values)
        rows: list[Sequence[Any]] = cursor.fetchall()
    headers = rates.take(_rates(subject, rows[0][4:9]), running)
    grant = Grant(price=rule_price(rows[0][:4]), headers=headers)
    budgets = [_Budget(*row[9:]) for row in rows if row[9] is not None]
    call = prompt() if budgets else None
    if call is None:
        return grant
    grant = grant.priced(call)
    need = _need(call, grant.price, budgets)
    in_money = any(budget.limit_cost is not None for budget in budgets)
    reply_tokens = _hold(subject.turn_id, budgets, need)
    return replace(
        grant,
        reply_tokens=reply_tokens,
        reply_cost=(reply_tokens * need.token_cost or None) if in_money else None,
        is_cut=reply_tokens < need.reply_tokens,
    )


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
    """Counted exactly only where the cheap estimate, which may be 42 % low, leaves a
    doubt. A call without a known price takes no money that could be counted."""
    most = call.parameters.get("max_tokens")
    reply = most if isinstance(most, int) else 0
    prompt = sum(tokens.estimate(m["content"]) + 8 for m in call.messages)
    if _is_tight(budgets, 2 * prompt + reply):
        prompt = tokens.count_messages(call.messages, call.model)
    prompt_cost = prompt * price.input / _MILLION if price else Decimal(0)
    return _Need(prompt, prompt_cost, reply, _token_cost(price))


def _token_cost(price: UnitPrice | None) -> Decimal:
    """Of a reply's token, at most."""
    return max(price.output, price.reasoning) / _MILLION if price else Decimal(0)


def _is_tight(budgets: list[_Budget], wanted: int) -> bool:
    return any(
        b.limit_cost is not None or b.used + wanted > (b.limit_tokens or 0)
        for b in budgets
    )


def _hold(turn_id: str, budgets: list[_Budget], need: _Need) -> int:
    """Reserve in all budgets what the tightest allows; the reply's tokens."""
    with connection.cursor() as cursor:
        for budget in budgets:
            if budget.period_id is None:
                open_period(cursor, budget.id, budget.start)
        cursor.execute(_LOCK, [[b.id for b in budgets], [b.start for b in budgets]])
        states = [_State(*row) for row in cursor.fetchall()]
        fits = need.reply_tokens
        for budget, state in zip(budgets, states, strict=True):
            fits = min(fits, _room(budget, state, need))
        cursor.execute(
            _RESERVE,
            {
                "turn": turn_id,
                "tokens": need.prompt_tokens + fits,
                "cost": need.cost(fits),
                "periods": [state.period_id for state in states],
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


WHOSE: Final = {
    "tenant": "This workspace's",
    "user": "Your",
    "agent": "This agent's",
    "key": "This API key's",
}


def _refusal(budget: _Budget, *, only_held: bool) -> BudgetExceededError:
    limits = []
    if budget.limit_tokens is not None:
        limits.append(f"{budget.limit_tokens:,} tokens")
    if budget.limit_cost is not None:
        limits.append(f"{budget.limit_cost.normalize():,f} US dollars")
    which = f"{WHOSE[budget.scope]} budget of {' and '.join(limits)} a {budget.period}"
    if only_held:
        return BudgetExceededError(
            f"{which} is held by answers that are being written. Try again shortly.",
            retry_after=_SOON,
        )
    local = budget.resets_at.astimezone(ZoneInfo(budget.zone))
    return BudgetExceededError(
        f"{which} has too little left for this message. "
        f"It starts anew on {local:%Y-%m-%d at %H:%M} ({budget.zone}).",
        retry_after=max(1.0, (budget.resets_at - timezone.now()).total_seconds()),
    )
