"""Rows locked for a change. Raise NotFoundError for what is gone by now."""

from __future__ import annotations

from agents.errors import NotFoundError
from agents.models import Agent, Provider


def locked_provider(provider: Provider) -> Provider:
    found = Provider.objects.select_for_update().filter(pk=provider.pk).first()
    if found is None:
        raise NotFoundError
    return found


def locked_agent(agent: Agent, *, all_others: bool = False) -> Agent:
    # Without its revision: a join would show the one from before we had to wait.
    wanted = Agent.objects.select_for_update()
    if not all_others:
        wanted = wanted.filter(pk=agent.pk)
    for found in wanted.order_by("pk"):
        if found.pk == agent.pk:
            return found
    raise NotFoundError
