"""Agents: what people choose from. How one answers is in its revisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from agents.errors import AgentInUseError, DefaultAgentError
from agents.models import REVISED, Agent
from agents.services.locking import locked_agent
from agents.services.revisions import revise_agent


class LookFields(TypedDict, total=False):
    """Everything of an agent but how it answers. `people` see it if its visibility
    says so."""

    slug: str
    name: str
    description: str
    published: bool
    color: str
    emoji: str
    starters: list[str]
    position: int
    visibility: str
    roles: list[str]
    people: Iterable[User]


class AgentFields(LookFields, total=False):
    is_default: bool
    system_prompt: str
    model: str
    parameters: Mapping[str, Any]
    fallbacks: Sequence[str]
    tools: Sequence[str]


@transaction.atomic
def create_agent(
    *,
    model: str,
    system_prompt: str = "",
    parameters: Mapping[str, Any] | None = None,
    fallbacks: Sequence[str] = (),
    tools: Sequence[str] = (),
    is_default: bool = False,
    author: User | None = None,
    **look: Unpack[LookFields],
) -> Agent:
    """An agent with its first revision. Raises django's ValidationError."""
    agent = Agent()
    _save_agent(agent, look, is_default=is_default)
    locked_agent(agent, all_others=is_default)
    revise_agent(
        agent=agent,
        system_prompt=system_prompt,
        model=model,
        parameters=parameters or {},
        fallbacks=fallbacks,
        tools=tools,
        author=author,
    )
    if is_default:
        make_default(agent=agent)
    return agent


@transaction.atomic
def update_agent(
    *, agent: Agent, author: User | None, **fields: Unpack[AgentFields]
) -> Agent:
    """What is left out stays; a new revision if the way it answers changes.

    Raises django's ValidationError.
    """
    current = locked_agent(agent, all_others="is_default" in fields)
    if current.is_default and not fields.get("is_default", True):
        message = _("Make another agent the default instead.")
        raise ValidationError({"is_default": message})
    is_default = fields.get("is_default", current.is_default)
    _save_agent(current, fields, is_default=is_default)
    revision = current.revision
    if revision is None or fields.keys() & set(REVISED):
        asked: Mapping[str, Any] = fields
        given = {name: asked[name] for name in REVISED if name in asked}
        content = {**(revision.content if revision else {}), **given}
        revise_agent(agent=current, author=author, **content)
    if is_default and not current.is_default:
        make_default(agent=current)
    return current


@transaction.atomic
def make_default(*, agent: Agent) -> None:
    """The one that answers when nobody chose; the former default steps back."""
    locked_agent(agent, all_others=True)
    Agent.objects.filter(is_default=True).exclude(pk=agent.pk).update(is_default=False)
    Agent.objects.filter(pk=agent.pk).update(is_default=True)
    agent.is_default = True


def delete_agent(*, agent: Agent) -> None:
    """With its revisions. Raises DefaultAgentError, or AgentInUseError once a
    conversation is held with it or a message was written by it."""
    try:
        with transaction.atomic():
            current = locked_agent(agent)
            if current.is_default:
                raise DefaultAgentError
            current.delete()
            # Not at the commit, where a request that is one transaction ends in an
            # error; whoever takes it into use from here on waits for this and fails.
            connection.check_constraints()
    # Django's ProtectedError, or PostgreSQL's own word if somebody was answered by it
    # at the same moment.
    except IntegrityError as error:
        raise AgentInUseError from error


_LOOK = tuple(LookFields.__annotations__)


def _save_agent(agent: Agent, fields: Mapping[str, Any], *, is_default: bool) -> None:
    for name in _LOOK:
        if name in fields and name != "people":
            setattr(agent, name, fields[name])
    agent.full_clean(exclude=["revision"])
    if is_default and not agent.published:
        message = _("The default agent answers everybody and must be published.")
        raise ValidationError({"published": message})
    if is_default and agent.visibility != Agent.Visibility.EVERYBODY:
        message = _("The default agent answers everybody.")
        raise ValidationError({"visibility": message})
    try:
        with transaction.atomic():
            agent.save()
    except IntegrityError as error:  # somebody else was faster
        raise ValidationError({"slug": _("That slug is taken.")}) from error
    if "people" in fields:
        agent.people.set(fields["people"])
