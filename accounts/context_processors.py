"""Every page knows how it is to look."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.preferences import Preferences


def preferences(request: HttpRequest) -> dict[str, Preferences]:
    """Those of the cookie, unless a view has just changed them."""
    return {"preferences": getattr(request, "preferences", Preferences())}
