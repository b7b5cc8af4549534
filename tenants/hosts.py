"""Host name → scope, remembered in the process for some seconds.

A stranger can send any Host, so the memory is bounded and "nobody" is remembered too.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from django.conf import settings
from django.db import OperationalError

from tenants.db import PUBLIC, Scope, unit
from tenants.models import Domain, Tenant

TTL = 5.0
LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a host name leads to; `scope` is None for a host nobody has."""

    scope: Scope | None
    suspended: bool = False


_known: OrderedDict[str, tuple[float, Resolution]] = OrderedDict()


async def resolve(host: str) -> Resolution:
    """`host` as in the Host header, with or without port."""
    name = host_name(host)
    if name == settings.PLATFORM_HOST:
        return Resolution(PUBLIC)
    entry = _known.get(name)
    if entry and entry[0] > time.monotonic():
        return entry[1]
    try:
        found = await unit(PUBLIC, _look_up, name)
    except OperationalError:
        # While the database is away, whom we knew we still know.
        if entry is None:
            raise
        _known[name] = (time.monotonic() + TTL, entry[1])
        return entry[1]
    _known[name] = (time.monotonic() + TTL, found)
    _known.move_to_end(name)
    while len(_known) > LIMIT:
        _known.popitem(last=False)
    return found


def forget() -> None:
    """After a change of tenants or domains; other processes follow within TTL."""
    _known.clear()


def host_name(host: str) -> str:
    """Lower case, without port and without the root's dot."""
    name = host.strip().lower()
    if not name.startswith("["):
        name = name.partition(":")[0]
    return name.rstrip(".")


def _look_up(name: str) -> Resolution:
    if "\x00" in name or len(name) > 253:
        return Resolution(None)
    domain = Domain.objects.select_related("tenant").filter(domain=name).first()
    if domain is None:
        return Resolution(None)
    tenant: Tenant = domain.tenant
    return Resolution(tenant.scope, tenant.status == Tenant.Status.SUSPENDED)
