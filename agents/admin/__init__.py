"""Providers and agents in the tenant's admin; all writes go through the services."""

from agents.admin.agents import AgentAdmin
from agents.admin.mcp_servers import McpServerAdmin
from agents.admin.providers import ProviderAdmin

__all__ = ["AgentAdmin", "McpServerAdmin", "ProviderAdmin"]
