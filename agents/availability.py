"""Whether an agent's models can be asked, and why not, in words for an admin."""

from __future__ import annotations

from collections.abc import Mapping

from agents.models import AgentRevision, Provider

Providers = Mapping[str, Provider]


def providers_by_name() -> Providers:
    return {row.name: row for row in Provider.objects.with_key_age()}


def problem_of(revision: AgentRevision | None, providers: Providers) -> str:
    """Empty if the agent's own model can be asked; its fallbacks may still answer."""
    if revision is None:
        return "It has no model."
    return problem_with(revision.model, providers)


def problem_with(model_id: str, providers: Providers) -> str:
    name, _, model = model_id.partition("/")
    provider = providers.get(name)
    if provider is None:
        return f"The provider {name} is gone."
    if not provider.enabled:
        return f"The provider {name} is switched off."
    if model in provider.disabled_models:
        return f"The model {model_id} is switched off."
    if provider.needs_key and not getattr(provider, "has_key", True):
        return f"The provider {name} has no key."
    return ""
