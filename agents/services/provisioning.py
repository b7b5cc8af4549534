"""What a new tenant gets (settings.TENANT_PROVISIONERS)."""

from __future__ import annotations

from agents.models import LOCAL
from agents.services.agents import create_agent
from agents.services.providers import create_provider
from llm.local import LOCAL_MODEL_NAME
from tenants.services import NewTenant

DEFAULT_PROMPT = "You are a helpful assistant. Answer briefly and truthfully."


def provision_tenant(new: NewTenant) -> None:
    """A local provider and a default agent, so that a new tenant can chat at once."""
    create_provider(name=LOCAL, kind=LOCAL, models=[LOCAL_MODEL_NAME])
    create_agent(
        slug="assistant",
        name="Assistant",
        description="Answers with the model that runs on this server.",
        system_prompt=DEFAULT_PROMPT,
        model=f"{LOCAL}/{LOCAL_MODEL_NAME}",
        parameters={"temperature": 0.3},
        is_default=True,
    )
