"""Writes: providers, their keys, agents and revisions."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import User
from agents.crypto import encrypt
from agents.models import (
    LOCAL,
    MODEL_ID,
    OPENAI_COMPATIBLE,
    Agent,
    AgentRevision,
    Credential,
    Provider,
)
from agents.parameters import validate_parameters
from llm.local import LOCAL_MODEL_NAME
from tenants.services import NewTenant

DEFAULT_PROMPT = "You are a helpful assistant. Answer briefly and truthfully."


def provision_tenant(new: NewTenant) -> None:
    """A local provider and a default agent, so that a new tenant can chat at once
    (settings.TENANT_PROVISIONERS)."""
    Provider.objects.create(name=LOCAL, kind=LOCAL, model_names=[LOCAL_MODEL_NAME])
    create_agent(
        slug="assistant",
        name="Assistant",
        description="Answers with the model that runs on this server.",
        system_prompt=DEFAULT_PROMPT,
        model=f"{LOCAL}/{LOCAL_MODEL_NAME}",
        parameters={"temperature": 0.3},
        is_default=True,
    )


def check_base_url(kind: str, base_url: str) -> None:
    """Raises django's ValidationError for an address that may not be called.

    Private and loopback addresses are refused unless the operator allows them: a
    tenant's admin must not reach the operator's own network through us.
    """
    if kind == OPENAI_COMPATIBLE and not base_url:
        raise ValidationError({"base_url": "An openai_compatible provider needs one."})
    if kind == LOCAL and base_url:
        raise ValidationError({"base_url": "The local model has no address to set."})
    if not base_url:
        return
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValidationError({"base_url": "Give an http:// or https:// address."})
    if parts.username or parts.password:
        raise ValidationError({"base_url": "Put the key into its own field."})
    if settings.ALLOW_PRIVATE_ADDRESSES:
        return
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443)
    except (OSError, UnicodeError, ValueError) as error:
        raise ValidationError({"base_url": "That host cannot be found."}) from error
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise ValidationError(
                {"base_url": "Addresses of private networks are not allowed here."}
            )


@transaction.atomic
def set_provider_key(*, provider: Provider, api_key: str) -> Credential:
    """A new version of the key; older versions stay for turns that run on them."""
    # The lock on the provider's row makes two rotations at once count up.
    Provider.objects.select_for_update().get(pk=provider.pk)
    newest = provider.credentials.aggregate(Max("version"))["version__max"] or 0
    return Credential.objects.create(
        provider=provider, version=newest + 1, ciphertext=encrypt(api_key.strip())
    )


def remove_provider_key(*, provider: Provider) -> None:
    """Revoke every version; new turns find no key."""
    provider.credentials.filter(revoked_at=None).update(revoked_at=timezone.now())


@transaction.atomic
def create_agent(
    *,
    slug: str,
    name: str,
    model: str,
    description: str = "",
    system_prompt: str = "",
    parameters: Mapping[str, Any] | None = None,
    is_default: bool = False,
    published: bool = True,
    author: User | None = None,
) -> Agent:
    """An agent with its first revision. Raises django's ValidationError."""
    agent = Agent(slug=slug, name=name, description=description, published=published)
    agent.full_clean(exclude=["revision"])
    agent.save()
    revise_agent(
        agent=agent,
        system_prompt=system_prompt,
        model=model,
        parameters=parameters or {},
        author=author,
    )
    if is_default:
        make_default(agent=agent)
    return agent


@transaction.atomic
def revise_agent(
    *,
    agent: Agent,
    system_prompt: str,
    model: str,
    parameters: Mapping[str, Any],
    author: User | None,
) -> AgentRevision:
    """A new revision, unless nothing changed. Running turns keep their own."""
    clean = validate_parameters(parameters)
    MODEL_ID(model)
    Agent.objects.select_for_update().get(pk=agent.pk)
    newest = agent.revisions.order_by("-number").first()
    if newest and (newest.system_prompt, newest.model, newest.parameters) == (
        system_prompt,
        model,
        clean,
    ):
        return newest
    revision = AgentRevision.objects.create(
        agent=agent,
        number=newest.number + 1 if newest else 1,
        system_prompt=system_prompt,
        model=model,
        parameters=clean,
        author=author,
    )
    agent.revision = revision
    agent.save(update_fields=["revision", "updated_at"])
    return revision


@transaction.atomic
def make_default(*, agent: Agent) -> None:
    """The one that answers when nobody chose; the former default steps back."""
    # Locked in one order, so that two admins cannot deadlock each other.
    list(Agent.objects.select_for_update().order_by("pk").values_list("pk"))
    Agent.objects.filter(is_default=True).exclude(pk=agent.pk).update(is_default=False)
    Agent.objects.filter(pk=agent.pk).update(is_default=True)
    agent.is_default = True
