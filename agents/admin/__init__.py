"""Providers and agents in the tenant's admin; all writes go through the services."""

from agents.admin.agents import AgentAdmin
from agents.admin.providers import ProviderAdmin

__all__ = ["AgentAdmin", "ProviderAdmin"]
