"""How an agent shows itself: colour, emoji, starter questions; and whose roles see it.

Validators of its fields; each raises django's ValidationError in words.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User

STARTERS_LIMIT = 6
STARTER_LENGTH = 200
# Symbols; modifiers of skin; what joins and varies them.
_EMOJI_CATEGORIES = frozenset({"So", "Sk", "Mn", "Cf"})


class Color(models.TextChoices):
    """A palette and no free colours: our pages allow no inline styles."""

    SLATE = "slate", _("Slate")
    RED = "red", _("Red")
    ORANGE = "orange", _("Orange")
    AMBER = "amber", _("Amber")
    GREEN = "green", _("Green")
    TEAL = "teal", _("Teal")
    BLUE = "blue", _("Blue")
    INDIGO = "indigo", _("Indigo")
    PURPLE = "purple", _("Purple")
    PINK = "pink", _("Pink")


def check_emoji(value: str) -> None:
    categories = [unicodedata.category(char) for char in value]
    if "So" not in categories or not _EMOJI_CATEGORIES.issuperset(categories):
        raise ValidationError(gettext("Give one emoji, such as 🦉."))


def check_starters(value: Any) -> None:
    good = isinstance(value, list) and len(value) <= STARTERS_LIMIT
    if not good or not all(
        isinstance(line, str) and line.strip() and len(line) <= STARTER_LENGTH
        for line in value
    ):
        limits = {"most": STARTERS_LIMIT, "length": STARTER_LENGTH}
        raise ValidationError(
            gettext("Give up to %(most)d questions of at most %(length)d characters.")
            % limits
        )


def check_roles(value: Any) -> None:
    if not isinstance(value, list) or not set(map(str, value)) <= set(User.Role.values):
        known = ", ".join(User.Role.values)
        raise ValidationError(
            gettext("Give a list of roles; there are %(known)s.") % {"known": known}
        )
