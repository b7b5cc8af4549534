"""A stand-in MCP server that is a program: the SDK's own, over its standard streams."""

from __future__ import annotations

import os
import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("Program")


@server.tool()
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


@server.tool()
def environment() -> str:
    """Names of the variables it was given."""
    sys.stderr.write("chatter that belongs into no log\n")
    return " ".join(sorted(os.environ))


if __name__ == "__main__":
    server.run("stdio")
