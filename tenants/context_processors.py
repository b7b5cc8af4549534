"""Every page may name its tenant."""

from __future__ import annotations

from django.http import HttpRequest

from tenants.db import Scope, current


def tenant(request: HttpRequest) -> dict[str, Scope | None]:
    return {"tenant": current.get()}
