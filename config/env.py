"""Typed readers of the environment. Only settings modules and the launcher use them.

A wrong value stops the start with the variable's name; nothing is guessed.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        number = minimum - 1
    if number < minimum:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of at least {minimum}, not {value!r}."
        )
    return number


def seconds(name: str, default: float) -> float:
    """A duration in seconds, greater than zero."""
    value = text(name)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ImproperlyConfigured(f"{name} must be seconds above 0, not {value!r}.")
    return number


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{name} must be one of {', '.join(allowed)}, not {value!r}."
        )
    return value


def names(name: str, default: str = "") -> list[str]:
    """A comma-separated list, without empty entries."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def pairs(name: str) -> dict[str, str]:
    """A comma-separated list of `key=value`."""
    found: dict[str, str] = {}
    for part in names(name):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise ImproperlyConfigured(
                f"{name} must be a list of name=value, not {part!r}."
            )
        found[key] = value
    return found


def secret(name: str, *, folder: Path, development: bool) -> str:
    """The secret `name`; in development made once and kept in `folder` (0600).

    Raises ImproperlyConfigured outside development when the variable is missing: a
    secret that differs between two machines or restarts signs everybody out and, for
    encryption keys, makes stored credentials unreadable.
    """
    if value := text(name):
        return value
    if not development:
        raise ImproperlyConfigured(
            f"{name} is not set. Outside development every secret must come from the "
            "environment; see .env.example."
        )
    path = folder / name.lower()
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_once(path, secrets.token_urlsafe(48))
    return path.read_text().strip()


def _write_once(path: Path, value: str) -> None:
    """Two processes that start together agree on one value: the link is atomic."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
