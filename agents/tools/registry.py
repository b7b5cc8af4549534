"""The built in tools by name. An upper layer that has one registers it when it starts
(search_conversations is chat's)."""

from __future__ import annotations

from typing import Final

from agents.tools.base import Tool
from agents.tools.calculator import CALCULATOR
from agents.tools.clock import DATETIME
from agents.tools.fetch_page import FETCH_PAGE

_TOOLS: Final[dict[str, Tool]] = {}


def register(tool: Tool) -> None:
    """May be repeated; raises ValueError for a second tool of one name."""
    if _TOOLS.setdefault(tool.name, tool) is not tool:
        raise ValueError(f"two tools are called {tool.name!r}")


def built_in() -> dict[str, Tool]:
    """By name; not to be changed."""
    return _TOOLS


for _tool in (DATETIME, CALCULATOR, FETCH_PAGE):
    register(_tool)
