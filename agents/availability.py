"""Whether an agent's models can be asked, and why not, in words for an admin."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from agents.models import AgentRevision, Provider

Providers = Mapping[str, Provider]


def providers_by_name() -> Providers:
    return {row.name: row for row in Provider.objects.with_key_age()}


def problem_of(revision: AgentRevision | None, providers: Providers) -> str:
    """Empty if the agent's own model can be asked; its fallbacks may still answer."""
    if revision is None:
        return _("It has no model.")
    return problem_with(revision.model, providers)


def problem_with(model_id: str, providers: Providers) -> str:
    name, _slash, model = model_id.partition("/")
    provider = providers.get(name)
    if provider is None:
        return _("The provider %(name)s is gone.") % {"name": name}
    if not provider.enabled:
        return _("The provider %(name)s is switched off.") % {"name": name}
    if model in provider.disabled_models:
        return _("The model %(name)s is switched off.") % {"name": model_id}
    if provider.needs_key and not getattr(provider, "has_key", True):
        return _("The provider %(name)s has no key.") % {"name": name}
    return ""
