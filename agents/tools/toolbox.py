"""The tools of one turn: what its agent lists, as far as it exists and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

import structlog

from agents.mcp.resolving import ServerAddress, servers_named
from agents.tools.base import SEPARATOR, Tool
from agents.tools.registry import built_in

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tools an agent lists, and the MCP servers that some of them belong to."""

    names: tuple[str, ...] = ()
    servers: tuple[ServerAddress, ...] = ()


NO_TOOLS: Final = Wanted()


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Tools by name, in the agent's order."""

    tools: Mapping[str, Tool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tools)

    def get(self, name: str) -> Tool | None:
        return self.tools.get(name)

    @property
    def specs(self) -> Sequence[dict[str, Any]]:
        """As the model is told of them."""
        return [tool.spec for tool in self.tools.values()]


def wanted_tools(names: Iterable[str]) -> Wanted:
    """Reads the MCP servers of the current tenant, if any of them is named."""
    names = tuple(names)
    servers = {name.partition(SEPARATOR)[0] for name in names if SEPARATOR in name}
    return Wanted(names, tuple(servers_named(servers)) if servers else ())


async def open_toolbox(wanted: Wanted) -> Toolbox:
    """Asks MCP servers which tools they have, unless that is known from a moment ago.

    What is not there is left out: an answer without a tool is better than none.
    """
    found: dict[str, Tool] = dict(built_in())
    if wanted.servers:
        # The SDK takes most of a second to import, and few processes need it.
        client: Any = await asyncio.to_thread(import_module, "agents.mcp.client")
        for tools in await asyncio.gather(*map(client.tools_of, wanted.servers)):
            found |= tools
    missing = [name for name in wanted.names if name not in found]
    if missing:
        logger.warning("tools missing", tools=missing)
    return Toolbox({name: found[name] for name in wanted.names if name in found})
