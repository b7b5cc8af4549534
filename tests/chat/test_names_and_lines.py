"""Ids, titles and previews."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.ids import VALID, new_id
from chat.models import one_line


def test_new_ids_are_valid_distinct_and_in_order_of_time() -> None:
    ids = [new_id() for _ in range(500)]
    assert len(set(ids)) == 500
    assert ids == sorted(ids)
    assert all(VALID.match(found) for found in ids)


@pytest.mark.parametrize(
    "good", ["abcdefgh", "8ut4yTbD133xWs2p", "a-b_c-d_", "x" * 64, "0" * 8]
)
def test_ids_that_clients_may_bring(good: str) -> None:
    assert VALID.match(good)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "short67",
        "x" * 65,
        "with space",
        "abcdefgh\n",
        "äbcdefgh",
        "a.b.c.d.",
        "\u0661" * 8,
    ],
)
def test_ids_that_they_may_not(bad: str) -> None:
    assert not VALID.match(bad)


def test_a_line_has_no_breaks_and_is_cut_with_a_mark() -> None:
    assert one_line("  a\n\n b\tc\u2028d ", 50) == "a b c d"
    assert one_line("abcdef", 6) == "abcdef"
    assert one_line("abcdefg", 6) == "abcde…"
    assert one_line("ab cd efg", 7) == "ab cd…"
    assert one_line("", 5) == one_line(" \n ", 5) == ""


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=600), st.integers(2, 120))
def test_a_line_never_exceeds_its_length(text: str, length: int) -> None:
    line = one_line(text, length)
    assert len(line) <= length
    assert not re.search(r"\s\s|[\n\r\u2028\u2029]", line)
    if text.strip() and len(text) <= length:
        assert line == " ".join(text.split())
