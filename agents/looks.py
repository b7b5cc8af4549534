"""How an agent shows itself: colour, emoji, starter questions; and whose roles see it.

Validators of its fields; each raises django's ValidationError in words.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts.models import User

STARTERS_LIMIT = 6
STARTER_LENGTH = 200
# Symbols; modifiers of skin; what joins and varies them.
_EMOJI_CATEGORIES = frozenset({"So", "Sk", "Mn", "Cf"})


class Color(models.TextChoices):
    """A palette and no free colours: our pages allow no inline styles."""

    SLATE = "slate", "Slate"
    RED = "red", "Red"
    ORANGE = "orange", "Orange"
    AMBER = "amber", "Amber"
    GREEN = "green", "Green"
    TEAL = "teal", "Teal"
    BLUE = "blue", "Blue"
    INDIGO = "indigo", "Indigo"
    PURPLE = "purple", "Purple"
    PINK = "pink", "Pink"


def check_emoji(value: str) -> None:
    categories = [unicodedata.category(char) for char in value]
    if "So" not in categories or not _EMOJI_CATEGORIES.issuperset(categories):
        raise ValidationError("Give one emoji, such as 🦉.")


def check_starters(value: Any) -> None:
    good = isinstance(value, list) and len(value) <= STARTERS_LIMIT
    if not good or not all(
        isinstance(line, str) and line.strip() and len(line) <= STARTER_LENGTH
        for line in value
    ):
        raise ValidationError(
            f"Give up to {STARTERS_LIMIT} questions of at most {STARTER_LENGTH} "
            "characters."
        )


def check_roles(value: Any) -> None:
    if not isinstance(value, list) or not set(map(str, value)) <= set(User.Role.values):
        known = ", ".join(User.Role.values)
        raise ValidationError(f"Give a list of roles; there are {known}.")
