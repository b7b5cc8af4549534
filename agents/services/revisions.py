"""How an agent answers, one revision after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from agents import variables
from agents.models import MODEL_ID, Agent, AgentRevision, McpServer, Provider
from agents.parameters import require_taken, validate_parameters
from agents.services.locking import locked_agent
from agents.tools.base import NAME, SEPARATOR
from agents.tools.registry import built_in

PROMPT_LENGTH = 100_000
FALLBACKS_LIMIT = 3
TOOLS_LIMIT = 50


@transaction.atomic
def revise_agent(
    *,
    agent: Agent,
    system_prompt: str,
    model: str,
    parameters: Mapping[str, Any],
    author: User | None,
    fallbacks: Sequence[str] = (),
    tools: Sequence[str] = (),
) -> AgentRevision:
    """A new revision, unless nothing changed. Running turns keep their own.

    `fallbacks` are the models asked, in this order, where `model` cannot answer.
    Raises django's ValidationError.
    """
    locked_agent(agent)
    newest = agent.revisions.order_by("-number").first()
    draft = draft_revision(
        newest,
        system_prompt=system_prompt,
        model=model,
        parameters=parameters,
        fallbacks=fallbacks,
        tools=tools,
    )
    if newest and newest.content == draft.content:
        return newest
    draft.agent = agent
    draft.number = newest.number + 1 if newest else 1
    draft.author = author
    draft.save()
    agent.revision = draft
    agent.save(update_fields=["revision", "updated_at"])
    return draft


def draft_revision(newest: AgentRevision | None, **content: Any) -> AgentRevision:
    """A revision that is not stored: what is left out is the newest one's.

    Raises django's ValidationError, keyed by the names of AgentRevision.content.
    """
    draft = AgentRevision(**{**(newest.content if newest else {}), **content})
    try:
        draft.parameters = validate_parameters(draft.parameters)
    except ValidationError as error:
        raise ValidationError({"parameters": error.messages}) from error
    _check_prompt(draft.system_prompt)
    draft.fallbacks = _clean_fallbacks(draft)
    draft.tools = list(dict.fromkeys(draft.tools))
    if newest is None or newest.tools != draft.tools:
        _check_tools(draft.tools)
    if newest is None or newest.content != draft.content:
        _require_models(draft)
    return draft


def restore_revision(
    *, agent: Agent, number: int, author: User | None
) -> AgentRevision | None:
    """A new revision with the content of an old one; None if there is no such one.

    Raises django's ValidationError where the old content no longer fits, for example
    because its provider is gone.
    """
    old = AgentRevision.objects.filter(agent=agent, number=number).first()
    if old is None:
        return None
    return revise_agent(agent=agent, author=author, **old.content)


def _check_prompt(prompt: str) -> None:
    if len(prompt) > PROMPT_LENGTH:
        message = _("Give at most %(limit)d characters.") % {"limit": PROMPT_LENGTH}
        raise ValidationError({"system_prompt": message})
    try:
        variables.check(prompt)
    except ValidationError as error:
        raise ValidationError({"system_prompt": error.messages}) from error


def _clean_fallbacks(draft: AgentRevision) -> list[str]:
    """Without repeats and without the model itself."""
    clean = [name for name in dict.fromkeys(draft.fallbacks) if name != draft.model]
    if len(clean) > FALLBACKS_LIMIT:
        message = _("Give at most %(limit)d other models.") % {"limit": FALLBACKS_LIMIT}
        raise ValidationError({"fallbacks": message})
    return clean


def _check_tools(names: Sequence[str]) -> None:
    """Of MCP servers only the names are known here: they are asked when they are used,
    and may have other tools by then."""
    if len(names) > TOOLS_LIMIT:
        message = _("Give at most %(limit)d tools.") % {"limit": TOOLS_LIMIT}
        raise ValidationError({"tools": message})
    servers = set(McpServer.objects.values_list("name", flat=True))
    for name in names:
        server, separator, tool = name.partition(SEPARATOR)
        from_server = separator and tool and server in servers
        if not NAME.fullmatch(name) or not (name in built_in() or from_server):
            known = ", ".join(built_in())
            message = _(
                "There is no tool “%(name)s”; known are %(known)s, and "
                "<server>__<tool> of an MCP server that is set up here."
            ) % {"name": name[:80], "known": known}
            raise ValidationError({"tools": message})


def _require_models(draft: AgentRevision) -> None:
    """Also locks the providers: they cannot be deleted before we are done."""
    _check_model_id("model", draft.model)
    for name in draft.fallbacks:
        _check_model_id("fallbacks", name)
    named = {name.partition("/")[0] for name in (draft.model, *draft.fallbacks)}
    locked = Provider.objects.select_for_update(no_key=True).filter(name__in=named)
    providers = {provider.name: provider for provider in locked.order_by("pk")}
    for field, models in (("model", [draft.model]), ("fallbacks", draft.fallbacks)):
        for name in (model.partition("/")[0] for model in models):
            if name not in providers:
                message = _("There is no provider “%(name)s” here.") % {"name": name}
                raise ValidationError({field: message})
    name, _slash, model = draft.model.partition("/")
    try:
        require_taken(draft.parameters, kind=providers[name].kind, model=model)
    except ValidationError as error:
        raise ValidationError({"parameters": error.messages}) from error


def _check_model_id(field: str, model_id: str) -> None:
    try:
        MODEL_ID(model_id)
    except ValidationError as error:
        raise ValidationError({field: error.messages}) from error
