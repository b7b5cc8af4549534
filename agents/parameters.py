"""Which parameters an agent may set, and within which bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from llm.catalogue import supported_parameters
from llm.suiting import EFFORTS, misfits

SCHEMA_LENGTH = 20_000
# Calls of the model in one turn, where an agent does not say.
MAX_STEPS = 8
# Of every model: how long a reply may be and how often tools are called, which we see
# to ourselves.
_ALWAYS_TAKEN = frozenset({"max_tokens", "max_steps"})
_REFUSAL_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Number:
    low: float
    high: float

    def __call__(self, value: Any) -> str:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        within = good and self.low <= value <= self.high
        return (
            ""
            if within
            else _within(gettext("a number from %(low)s to %(high)s"), self)
        )


@dataclass(frozen=True, slots=True)
class Whole:
    low: int
    high: int

    def __call__(self, value: Any) -> str:
        good = isinstance(value, int) and not isinstance(value, bool)
        within = good and self.low <= value <= self.high
        return (
            ""
            if within
            else _within(gettext("a whole number from %(low)s to %(high)s"), self)
        )


@dataclass(frozen=True, slots=True)
class OneOf:
    words: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        good = isinstance(value, str) and value in self.words
        return "" if good else gettext("one of %s") % ", ".join(self.words)


def _within(text: str, bounds: Number | Whole) -> str:
    return text % {"low": bounds.low, "high": bounds.high}


def _stop(value: Any) -> str:
    words = [value] if isinstance(value, str) else value
    good = (
        isinstance(words, list)
        and 1 <= len(words) <= 4
        and all(isinstance(word, str) and 0 < len(word) <= 100 for word in words)
        and all(map(_storable, words))
    )
    return "" if good else gettext("a text or a list of up to 4 texts")


def _response_format(value: Any) -> str:
    wanted = (
        gettext(
            '{"type": "text"}, {"type": "json_object"} or {"type": "json_schema", '
            '"json_schema": {"name": …, "schema": …}} of up to %d characters'
        )
        % SCHEMA_LENGTH
    )
    if not isinstance(value, dict):
        return wanted
    match value.get("type"):
        case "text" | "json_object":
            good = set(value) == {"type"}
        case "json_schema":
            inner = value.get("json_schema")
            good = (
                set(value) == {"type", "json_schema"}
                and isinstance(inner, dict)
                and isinstance(inner.get("name"), str)
                and isinstance(inner.get("schema"), dict)
                and _short_and_storable(inner)
            )
        case _:
            good = False
    return "" if good else wanted


def _short_and_storable(value: dict[str, Any]) -> bool:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return len(text) <= SCHEMA_LENGTH and "\\u0000" not in text and _storable(text)


def _storable(word: str) -> bool:
    """PostgreSQL keeps neither NUL characters nor halves of a surrogate pair."""
    return not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in word)


# Each says what a value should be, nothing if it is that.
CHECKS: dict[str, Callable[[Any], str]] = {
    "temperature": Number(0, 2),
    "top_p": Number(0, 1),
    "presence_penalty": Number(-2, 2),
    "frequency_penalty": Number(-2, 2),
    "max_tokens": Whole(1, 1_000_000),
    "max_steps": Whole(1, 20),
    "seed": Whole(0, 2**31 - 1),
    "stop": _stop,
    "reasoning_effort": OneOf(EFFORTS),
    "verbosity": OneOf(("low", "medium", "high")),
    "response_format": _response_format,
}
PARAMETERS = tuple(CHECKS)


def bounds_of(name: str) -> str:
    """What a parameter may be, in words."""
    return CHECKS[name](None)


def validate_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, or django's ValidationError naming the first bad one.

    A None value means "not set" and is left out.
    """
    if not isinstance(parameters, Mapping):
        raise ValidationError(gettext("Parameters are an object of names and values."))
    clean: dict[str, Any] = {}
    for name, value in parameters.items():
        check = CHECKS.get(name)
        if check is None:
            known = ", ".join(CHECKS)
            raise ValidationError(
                gettext("There is no parameter “%(name)s”; known: %(known)s.")
                % {"name": name, "known": known}
            )
        if value is None:
            continue
        if wanted := check(value):
            raise ValidationError(
                gettext("%(name)s must be %(wanted)s.")
                % {"name": name, "wanted": wanted}
            )
        clean[name] = value
    return clean


def taken_by(kind: str, model: str) -> tuple[str, ...]:
    """Names of parameters that a model of this kind of provider takes; all of them
    where nobody knows."""
    supported = supported_parameters(kind, model)
    if supported is None:
        return PARAMETERS
    return tuple(p for p in PARAMETERS if p in supported | _ALWAYS_TAKEN)


def require_taken(parameters: Mapping[str, Any], *, kind: str, model: str) -> None:
    """Raises django's ValidationError for a parameter that the model does not take.

    Asks LiteLLM, whose import takes seconds in a process that has not used it yet.
    """
    if not parameters.keys() - _ALWAYS_TAKEN:
        return
    taken = taken_by(kind, model)
    if refused := [name for name in parameters if name not in taken]:
        raise ValidationError(
            gettext("%(model)s does not take %(refused)s; it takes %(taken)s.")
            % {
                "model": model,
                "refused": ", ".join(refused),
                "taken": ", ".join(taken),
            }
        )
    ours = {"max_steps"}
    theirs = {name: parameters[name] for name in parameters.keys() - ours}
    if wrong := misfits(kind, model, theirs):
        said = "; ".join(f"{name} {why}" for name, why in sorted(wrong.items()))
        raise ValidationError(
            gettext("With %(model)s, %(said)s.")
            % {"model": model, "said": said[:_REFUSAL_LENGTH]}
        )
