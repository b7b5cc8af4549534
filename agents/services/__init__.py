"""Writes: providers, their keys, agents and revisions.

Locks are taken in one order, so that nobody waits for somebody who waits for them:
agents by their ids, then providers by theirs.
"""

from agents.services.agents import (
    AgentFields,
    create_agent,
    delete_agent,
    make_default,
    update_agent,
)
from agents.services.credentials import (
    KEY_LENGTH,
    Reencrypted,
    reencrypt_all,
    remove_provider_key,
    revoke_credential,
    set_provider_key,
)
from agents.services.mcp_servers import (
    ALLOWED_LIMIT,
    McpServerFields,
    agents_using,
    create_mcp_server,
    delete_mcp_server,
    update_mcp_server,
)
from agents.services.providers import (
    MODELS_LIMIT,
    ProviderFields,
    create_provider,
    delete_provider,
    update_provider,
)
from agents.services.provisioning import provision_tenant
from agents.services.revisions import (
    FALLBACKS_LIMIT,
    PROMPT_LENGTH,
    TOOLS_LIMIT,
    restore_revision,
    revise_agent,
)

__all__ = [
    "ALLOWED_LIMIT",
    "FALLBACKS_LIMIT",
    "KEY_LENGTH",
    "MODELS_LIMIT",
    "PROMPT_LENGTH",
    "TOOLS_LIMIT",
    "AgentFields",
    "McpServerFields",
    "ProviderFields",
    "Reencrypted",
    "agents_using",
    "create_agent",
    "create_mcp_server",
    "create_provider",
    "delete_agent",
    "delete_mcp_server",
    "delete_provider",
    "make_default",
    "provision_tenant",
    "reencrypt_all",
    "remove_provider_key",
    "restore_revision",
    "revise_agent",
    "revoke_credential",
    "set_provider_key",
    "update_agent",
    "update_mcp_server",
    "update_provider",
]
