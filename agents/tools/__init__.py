"""What a model may call: built in tools, those of MCP servers, and how they are run."""
