"""MCP servers of a tenant: where they are, which tools they have, and calling those."""
