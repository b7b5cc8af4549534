"""How fast people may ask, the same for all processes.

A counter says when somebody who asked at the allowed rate would be through with what
they have asked (the generic cell rate algorithm). So many turns as a minute allows may
come at once; then each waits for its share of the minute. One upsert decides, and holds
its row's lock to the end of the transaction: what is refused later counts nothing, and
answers at once are counted by one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from django.db import connection
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

from usage.errors import RateLimitedError

RateScope = Literal["key", "user", "tenant"]
_WINDOW: Final = 60
# When an answer will have ended, nobody knows.
_STREAM_WAIT: Final = 5

# Waits for whoever holds the row. Nothing is returned where it is too early. What lies
# further ahead than a minute was written before the clock was set back.
_TAKE: Final = """
INSERT INTO usage_ratecounter AS c (scope, subject_id, free_at)
VALUES (%(scope)s, %(id)s, clock_timestamp() + %(step)s * interval '1 second')
ON CONFLICT (scope, subject_id) DO UPDATE SET
    free_at = %(step)s * interval '1 second' + CASE
        WHEN c.free_at BETWEEN clock_timestamp()
            AND clock_timestamp() + interval '61 seconds' THEN c.free_at
        ELSE clock_timestamp() END
WHERE c.free_at + %(step)s * interval '1 second'
    <= clock_timestamp() + interval '60.001 seconds'
    OR c.free_at > clock_timestamp() + interval '61 seconds'
RETURNING EXTRACT(EPOCH FROM free_at - clock_timestamp())::float8
"""
_LOOK: Final = """
SELECT EXTRACT(EPOCH FROM free_at - clock_timestamp())::float8
FROM usage_ratecounter WHERE scope = %(scope)s AND subject_id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one counter allows: turns a minute and answers at once, None for no limit.
    `subject_id` is 0 for the tenant."""

    scope: RateScope
    subject_id: int
    per_minute: int | None
    streams: int | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate: `remaining` turns now, the next one in `seconds`."""

    rate: Rate
    remaining: int
    seconds: int


def take(rates: list[Rate], running: Callable[[RateScope], int]) -> dict[str, str]:
    """Count one turn; returns the headers that tell what is left.

    `running` counts the turns that run, this one included, of the person or of
    everybody. Raises RateLimitedError. The locks are taken in the order of `rates`.
    """
    left: list[Allowance] = []
    for rate in rates:
        if rate.per_minute is None and rate.streams is None:
            continue
        allowance = _take(rate)
        if allowance is not None:
            left.append(allowance)
        if rate.streams is not None and running(rate.scope) > rate.streams:
            raise RateLimitedError(
                format_lazy(_AT_ONCE[rate.scope], count=rate.streams),
                retry_after=_STREAM_WAIT,
            )
    return _headers(left)


_AT_ONCE: Final[dict[RateScope, StrPromise]] = {
    "key": _(
        "This API key may have {count} answers written at once. "
        "Wait until one is finished."
    ),
    "user": _(
        "You may have {count} answers written at once. Wait until one is finished."
    ),
    "tenant": _(
        "This workspace may have {count} answers written at once. "
        "Wait until one is finished."
    ),
}
_A_MINUTE: Final[dict[RateScope, StrPromise]] = {
    "key": _(
        "This API key may start {count} turns a minute. Try again in {wait} seconds."
    ),
    "user": _("You may start {count} turns a minute. Try again in {wait} seconds."),
    "tenant": _(
        "This workspace may start {count} turns a minute. Try again in {wait} seconds."
    ),
}


def _take(rate: Rate) -> Allowance | None:
    step = _WINDOW / rate.per_minute if rate.per_minute else 0.0
    values = {"scope": rate.scope, "id": rate.subject_id, "step": step}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        row = cursor.fetchone()
        if row is None:
            cursor.execute(_LOOK, values)
            wait = max(1, math.ceil(cursor.fetchone()[0] + step - _WINDOW))
            raise RateLimitedError(
                format_lazy(_A_MINUTE[rate.scope], count=rate.per_minute, wait=wait),
                retry_after=wait,
                headers=_headers([Allowance(rate, 0, wait)]),
            )
    if not rate.per_minute:
        return None  # only the lock was wanted
    used = max(0.0, row[0])
    remaining = int((_WINDOW + 0.001 - used) / step)
    return Allowance(rate, remaining, math.ceil(max(0.0, used + step - _WINDOW)))


def _headers(left: list[Allowance]) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-10 has them: quota and window, what
    remains, and the seconds until there is more."""
    if not left:
        return {}
    return {
        "RateLimit-Policy": ", ".join(_policies(left)),
        "RateLimit": ", ".join(
            f'"{a.rate.scope}";r={a.remaining};t={a.seconds}' for a in left
        ),
    }


def _policies(left: list[Allowance]) -> Iterator[str]:
    for allowance in left:
        rate = allowance.rate
        yield f'"{rate.scope}";q={rate.per_minute};w={_WINDOW}'
