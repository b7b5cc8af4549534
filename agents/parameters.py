"""Which parameters an agent may set, and within which bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError


def _number(low: float, high: float) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if good and low <= value <= high else f"a number from {low} to {high}"

    return check


def _integer(low: int, high: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        good = isinstance(value, int) and not isinstance(value, bool)
        whole = f"a whole number from {low} to {high}"
        return "" if good and low <= value <= high else whole

    return check


def _stop(value: Any) -> str:
    words = [value] if isinstance(value, str) else value
    good = (
        isinstance(words, list)
        and 1 <= len(words) <= 4
        and all(isinstance(word, str) and 0 < len(word) <= 100 for word in words)
        and all(map(_storable, words))
    )
    return "" if good else "a text or a list of up to 4 texts"


def _storable(word: str) -> bool:
    """PostgreSQL keeps neither NUL characters nor halves of a surrogate pair."""
    return not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in word)


_CHECKS: dict[str, Callable[[Any], str]] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "max_tokens": _integer(1, 1_000_000),
    "seed": _integer(0, 2**31 - 1),
    "stop": _stop,
}


def validate_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, or django's ValidationError naming the first bad one.

    A None value means "not set" and is left out.
    """
    if not isinstance(parameters, Mapping):
        raise ValidationError("Parameters are an object of names and values.")
    clean: dict[str, Any] = {}
    for name, value in parameters.items():
        check = _CHECKS.get(name)
        if check is None:
            known = ", ".join(_CHECKS)
            raise ValidationError(f"There is no parameter “{name}”; known: {known}.")
        if value is None:
            continue
        if wanted := check(value):
            raise ValidationError(f"{name} must be {wanted}.")
        clean[name] = value
    return clean
