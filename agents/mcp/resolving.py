"""From a tenant's rows to what is needed to reach its MCP servers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

from agents.crypto import UnreadableCredentialError, decrypt
from agents.models import McpServer
from tenants.db import Scope, scope

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """An MCP server that may be called. `version` changes with the row."""

    scope: Scope
    id: int
    name: str
    url: str
    command: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    needs_approval: bool
    allowed: frozenset[str]
    seconds: float
    version: str


def servers_named(names: Iterable[str]) -> list[ServerAddress]:
    """Enabled servers of the current tenant by their names; the others are left out."""
    found: list[ServerAddress] = []
    for server in McpServer.objects.filter(name__in=names, enabled=True).order_by("pk"):
        try:
            found.append(address_of(server))
        except UnreadableCredentialError:
            logger.warning("MCP headers unreadable", server=server.name)
    return found


def address_of(server: McpServer) -> ServerAddress:
    """Raises UnreadableCredentialError for headers that cannot be decrypted."""
    headers: dict[str, str] = {}
    if server.ciphertext:
        headers = json.loads(decrypt(server.ciphertext))
    return ServerAddress(
        scope=scope(),
        id=server.pk,
        name=server.name,
        url=server.url,
        command=server.command,
        headers=tuple(headers.items()),
        needs_approval=server.approval == McpServer.Approval.ALWAYS,
        allowed=frozenset(server.allowed_tools),
        seconds=float(server.timeout),
        version=server.updated_at.isoformat(),
    )
