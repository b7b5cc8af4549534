"""What a tool is, and what it may know of the turn in which it is called."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tenants.db import Scope

# Names that every provider takes and hands back unchanged.
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Between an MCP server's name and its tool's.
SEPARATOR: Final = "__"


class ToolError(Exception):
    """A tool could not do what it was asked; the text is for the model and people."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """On whose behalf a tool is called. What the person may not see, it must not."""

    scope: Scope
    user_id: int


Run = Callable[[ToolContext, dict[str, Any]], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Tool:
    """`schema` is the JSON schema of the arguments, which `run` gets only if they fit.

    With `checks_arguments` off `run` sees to that itself.
    `run` answers with text, or raises ToolError. With `needs_approval` a person is
    asked before each call. `seconds` is how long it may take.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    run: Run
    needs_approval: bool = False
    seconds: float = 30.0
    checks_arguments: bool = True

    @property
    def spec(self) -> dict[str, Any]:
        """As the model is told, in llm.client's shape."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": dict(self.schema),
            },
        }


def object_schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """Of arguments that are all needed, unless one names its `default`."""
    needed = [name for name, schema in properties.items() if "default" not in schema]
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in properties.items()},
        "required": needed,
        "additionalProperties": False,
    }
