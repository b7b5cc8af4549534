"""Names and headers of files that a browser is to save."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

# What file systems refuse, what reads as a path, and marks that turn text around.
_UNSAFE = re.compile(
    r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]'
)
_NAME_MAX = 80


def attachment(title: str, extension: str) -> dict[str, str]:
    """The headers of a download that is called like `title`: ASCII for old clients,
    UTF-8 (RFC 5987) for all others."""
    name = _name(title) or "conversation"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "", plain)
    plain = " ".join(plain.split()).strip(" .-") or "conversation"
    coded = quote(f"{name}.{extension}", safe="")
    return {
        "Content-Disposition": (
            f"attachment; filename=\"{plain}.{extension}\"; filename*=UTF-8''{coded}"
        ),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }


def _name(title: str) -> str:
    text = title.encode("utf-8", "ignore").decode()
    return " ".join(_UNSAFE.sub(" ", text).split())[:_NAME_MAX].strip(" .")
