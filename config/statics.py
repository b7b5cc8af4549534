"""Where static files are found: at an address with their digest in it, which browsers
may keep for good. It stands for all of them, so a script's own imports, which are
relative, have it too."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Final

PREFIX: Final = "/static/"
# Those that bring static files along; what they hold changes with their version only.
_PACKAGES = (
    "django",
    "django-unfold",
    "djangorestframework",
    "drf-spectacular-sidecar",
)


def address(folder: Path) -> str:
    """The prefix of what is in `folder` and in the packages, as they are now."""
    digest = hashlib.sha256(repr([version(name) for name in _PACKAGES]).encode())
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{PREFIX}{digest.hexdigest()[:12]}/"


def without_digest(path: str) -> str:
    """What `path` names below whichever digest; empty if it is no such address."""
    return (
        path.removeprefix(PREFIX).partition("/")[2] if path.startswith(PREFIX) else ""
    )
