"""What JSON is refused, and by which sentence."""

from __future__ import annotations

import pytest
from rest_framework.exceptions import ParseError

from accounts.parsers import load_json


@pytest.mark.parametrize("depth", [0, 1, 100, 400, 900, 5_000])
def test_a_nul_is_refused_at_any_depth(depth: int) -> None:
    body = b"[" * depth + b'"\\u0000"' + b"]" * depth
    with pytest.raises(ParseError):
        load_json(body)


def test_what_only_looks_like_a_nul_is_a_text() -> None:
    assert load_json(b'"\\\\u0000"') == "\\u0000"


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"NaN", b"Infinity"])
def test_a_number_that_could_not_be_written_again_is_refused(number: bytes) -> None:
    with pytest.raises(ParseError):
        load_json(b'{"a": [' + number + b"]}")
