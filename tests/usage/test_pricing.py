"""What tokens cost: exact, and never free because nobody knows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llm.events import Usage
from usage.pricing import UnitPrice, cost_of, cost_text, list_price


def test_a_listed_model_is_priced_exactly() -> None:
    price = list_price("openai", "gpt-4o-mini")
    usage = Usage(1_000, 200, cached_tokens=400, reasoning_tokens=50)
    # 600 new at 0.15, 400 cached at 0.075, 200 written at 0.60 dollars a million.
    assert cost_of(usage, price) == Decimal("0.00024")


def test_cached_and_reasoning_tokens_have_prices_of_their_own() -> None:
    price = UnitPrice(Decimal(1), Decimal("0.1"), Decimal(10), Decimal(5))
    usage = Usage(1_000_003, 8, cached_tokens=1_000_000, reasoning_tokens=7)
    assert cost_of(usage, price) == Decimal("0.1") + Decimal("0.000048")


def test_a_provider_that_reports_more_parts_than_whole_is_not_paid_for_them() -> None:
    price = UnitPrice(Decimal(1), Decimal(1), Decimal(1), Decimal(1))
    usage = Usage(10, 10, cached_tokens=50, reasoning_tokens=50)
    assert cost_of(usage, price) == Decimal("0.00002")


def test_the_local_model_is_free_and_an_unknown_one_has_no_price() -> None:
    assert cost_of(Usage(5, 5), list_price("local", "smollm2-135m")) == 0
    assert list_price("openai_compatible", "some-model") is None
    assert cost_of(Usage(5, 5), None) is None
    assert cost_of(Usage(0, 0), None) == 0


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, None),
        (Decimal(0), "0"),
        (Decimal("0E-10"), "0"),
        (Decimal("1E-10"), "0.0000000001"),
        (Decimal("0.0000033000"), "0.0000033"),
        (Decimal("1234567890.0000000001"), "1234567890.0000000001"),
        (Decimal("1E+2"), "100"),
    ],
)
def test_money_as_text_is_exact_and_plain(cost: Decimal | None, text: str) -> None:
    assert cost_text(cost) == text
