"""MCP servers: where they are, what is sent to them, which of their tools are used."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Final, TypedDict, Unpack

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from agents.addresses import check_host, check_page
from agents.crypto import encrypt
from agents.errors import McpServerInUseError, NotFoundError
from agents.models import Agent, McpServer
from agents.tools.base import SEPARATOR

HEADERS_LENGTH: Final = 8_000
ALLOWED_LIMIT: Final = 200
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
# What the connection itself decides.
_NOT_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "content-type"}
)


class McpServerFields(TypedDict, total=False):
    """`headers` None takes them away; left out, they stay."""

    name: str
    url: str
    command: str
    headers: dict[str, str] | None
    enabled: bool
    approval: str
    allowed_tools: list[str]
    timeout: int


def create_mcp_server(**fields: Unpack[McpServerFields]) -> McpServer:
    """Raises django's ValidationError, keyed by the names of McpServerFields."""
    _check_url(fields.get("url", ""))
    with transaction.atomic():
        return _save(McpServer(), fields)


def update_mcp_server(
    *, server: McpServer, **fields: Unpack[McpServerFields]
) -> McpServer:
    """What is left out stays. Raises as create_mcp_server does."""
    _check_url(fields.get("url", ""))
    with transaction.atomic():
        current = _locked(server)
        if fields.get("name", current.name) != current.name and agents_using(current):
            message = _("Agents name its tools by it, so it cannot change.")
            raise ValidationError({"name": message})
        moves = fields.get("url", current.url) != current.url
        if moves and current.has_headers and "headers" not in fields:
            # Else whoever may not read them could have them sent elsewhere.
            message = _("The headers would go to another address: enter them again.")
            raise ValidationError({"headers": message})
        return _save(current, fields)


@transaction.atomic
def delete_mcp_server(*, server: McpServer) -> None:
    """Raises McpServerInUseError while agents list tools of it."""
    current = _locked(server)
    if names := agents_using(current):
        raise McpServerInUseError(names)
    current.delete()


def _locked(server: McpServer) -> McpServer:
    found = McpServer.objects.select_for_update().filter(pk=server.pk).first()
    if found is None:
        raise NotFoundError
    return found


def agents_using(server: McpServer) -> list[str]:
    """Names of agents whose newest revision lists a tool of it."""
    prefix = f"{server.name}{SEPARATOR}"
    agents = Agent.objects.exclude(revision__tools=[]).select_related("revision")
    return [
        agent.name
        for agent in agents.order_by("name")
        if agent.revision and any(n.startswith(prefix) for n in agent.revision.tools)
    ][:5]


def _save(server: McpServer, fields: McpServerFields) -> McpServer:
    for name in ("name", "url", "command", "enabled", "approval", "timeout"):
        if name in fields:
            setattr(server, name, fields[name])
    if "allowed_tools" in fields:
        server.allowed_tools = list(dict.fromkeys(fields["allowed_tools"]))
        if len(server.allowed_tools) > ALLOWED_LIMIT:
            message = _("Give at most %(limit)d tools.") % {"limit": ALLOWED_LIMIT}
            raise ValidationError({"allowed_tools": message})
    _check_place(server)
    server.full_clean()
    if "headers" in fields:
        server.ciphertext = _sealed(fields["headers"] or {})
    try:
        with transaction.atomic():
            server.save()
    except IntegrityError as error:  # somebody else was faster
        raise ValidationError({"name": _("That name is taken.")}) from error
    return server


def _check_url(url: str) -> None:
    """Asks the network for the host's name: hold no lock meanwhile."""
    if url:
        try:
            check_page(url)
            check_host(url)
        except ValidationError as error:
            raise ValidationError({"url": error.messages}) from error


def _check_place(server: McpServer) -> None:
    if bool(server.url) == bool(server.command):
        raise ValidationError({"url": _("Give either a URL or a command.")})
    if not server.command:
        return
    if not settings.ALLOW_STDIO_TOOLS:
        message = _("The operator of this installation allows no commands.")
        raise ValidationError({"command": message})
    try:
        if shlex.split(server.command):
            return
    except ValueError:
        pass
    raise ValidationError({"command": _("That is not a command.")})


def _sealed(headers: Mapping[str, object]) -> str:
    if not headers:
        return ""
    for name, value in headers.items():
        good = (
            _HEADER.fullmatch(name)
            and name.lower() not in _NOT_OURS
            and isinstance(value, str)
            and value.isascii()
            and value.isprintable()
        )
        if not good:
            message = _("Give names and values of HTTP headers.")
            raise ValidationError({"headers": message})
    text = json.dumps(headers)
    if len(text) > HEADERS_LENGTH:
        message = _("Give at most %(limit)d characters.") % {"limit": HEADERS_LENGTH}
        raise ValidationError({"headers": message})
    return encrypt(text)
