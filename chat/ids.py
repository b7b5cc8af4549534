"""Ids of conversations, messages and turns: text, made by us or brought by a client."""

from __future__ import annotations

import re

import uuid_utils
from django.core.validators import RegexValidator

PATTERN = r"[A-Za-z0-9_-]{8,64}"
VALID = re.compile(rf"\A{PATTERN}\Z")
ID = RegexValidator(
    VALID, "Ids are 8 to 64 letters, digits, hyphens and underscores.", "invalid_id"
)


def new_id() -> str:
    """A UUIDv7: later ids sort after earlier ones, so index pages fill in order."""
    return str(uuid_utils.uuid7())
