"""The turns of bench.ledger, and their accounts; needs Django to be set up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import httpx

from agents.models import Provider
from tenants.db import entered
from tenants.services import tenant_by_slug
from tests.chat.mixture import SORTS, CountingProvider, mixture
from tests.chat.recounting import (
    compare,
    furnish,
    recount,
    rows_by_turn,
    wait_until_counted,
)
from usage.models import UsageRecord

_AT_ONCE = 40
_HEAD = """\
| turns | number | calls to the provider | rows of the ledger | tokens the provider \
reported | tokens in rows that are exact | tokens in estimated rows |
| --- | --- | --- | --- | --- | --- | --- |"""


class Accounts:
    """Of one tenant, whose provider runs as long as this is entered."""

    def __init__(self, turns: int) -> None:
        self._turns = list(mixture(turns, 11))
        self._provider = CountingProvider()
        self._scope = tenant_by_slug("bench").scope

    def __enter__(self) -> Self:
        self._provider.__enter__()
        with entered(self._scope):
            Provider.objects.filter(name="standin").update(base_url=self._provider.url)
            furnish()
        return self

    def __exit__(self, *_: object) -> None:
        self._provider.__exit__(None, None, None)

    def run(self, port: int, key: str) -> None:
        """All turns, so many at once; back when the last title is made."""
        with (
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Host": "bench.localhost", "Authorization": f"Bearer {key}"},
                limits=httpx.Limits(max_connections=2 * _AT_ONCE),
                trust_env=False,
            ) as client,
            ThreadPoolExecutor(_AT_ONCE) as pool,
        ):
            for _ in pool.map(lambda turn: turn.run(client), self._turns):
                pass
        with entered(self._scope):
            wait_until_counted()

    def differences(self) -> list[str]:
        with entered(self._scope):
            return [*compare(self._provider), *recount()]

    def table(self) -> Iterator[str]:
        """A line for each sort of turns."""
        with entered(self._scope):
            rows = rows_by_turn()
        yield _HEAD
        for sort in SORTS:
            numbers = [turn.number for turn in self._turns if turn.sort == sort]
            yield self._line(sort, numbers, [row for n in numbers for row in rows[n]])

    def _line(self, sort: str, numbers: list[int], rows: list[UsageRecord]) -> str:
        calls = sum(self._provider.calls[number] for number in numbers)
        told = (
            usage for number in numbers for usage in self._provider.reported[number]
        )
        reported = sum(usage.total_tokens for usage in told)
        exact = sum(row.total_tokens for row in rows if not row.estimated)
        guessed = sum(row.total_tokens for row in rows if row.estimated)
        return (
            f"| {sort} | {len(numbers)} | {calls} | {len(rows)} "
            f"| {reported:,} | {exact:,} | {guessed:,} |"
        )
