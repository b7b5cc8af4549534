"""Writes: providers, their keys, agents and revisions.

Locks are taken in one order, so that nobody waits for somebody who waits for them:
agents by their ids, then a provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import User
from agents.addresses import check_base_url, check_host
from agents.crypto import encrypt
from agents.errors import (
    AgentInUseError,
    DefaultAgentError,
    NotFoundError,
    ProviderInUseError,
)
from agents.models import (
    LOCAL,
    MODEL_ID,
    MODEL_NAME,
    Agent,
    AgentRevision,
    Credential,
    Provider,
)
from agents.parameters import validate_parameters
from llm.catalogue import provider_names
from llm.local import LOCAL_MODEL_NAME
from tenants.services import NewTenant

DEFAULT_PROMPT = "You are a helpful assistant. Answer briefly and truthfully."
MODELS_LIMIT = 500
KEY_LENGTH = 2_000
PROMPT_LENGTH = 100_000


class ProviderFields(TypedDict, total=False):
    """`api_key` None takes the key away; left out, it stays."""

    name: str
    kind: str
    base_url: str
    models: list[str]
    enabled: bool
    api_key: str | None


class AgentFields(TypedDict, total=False):
    slug: str
    name: str
    description: str
    published: bool
    is_default: bool
    system_prompt: str
    model: str
    parameters: Mapping[str, Any]


def provision_tenant(new: NewTenant) -> None:
    """A local provider and a default agent, so that a new tenant can chat at once
    (settings.TENANT_PROVISIONERS)."""
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


# ------------------------------------------------------------------------- providers


def create_provider(**fields: Unpack[ProviderFields]) -> Provider:
    """Raises django's ValidationError, keyed by the names of ProviderFields."""
    check_host(fields.get("base_url", ""))
    with transaction.atomic():
        return _save_provider(Provider(), fields)


def update_provider(
    *, provider: Provider, **fields: Unpack[ProviderFields]
) -> Provider:
    """What is left out stays. Raises as create_provider does."""
    check_host(fields.get("base_url", ""))
    return _update_provider(provider, fields)


@transaction.atomic
def _update_provider(provider: Provider, fields: ProviderFields) -> Provider:
    current = _locked_provider(provider)
    name = fields.get("name", current.name)
    if name != current.name and Agent.objects.using_provider(current).exists():
        message = "Agents name their model by it, so it cannot change."
        raise ValidationError({"name": message})
    place = (current.kind, current.base_url)
    moves = place != (fields.get("kind", place[0]), fields.get("base_url", place[1]))
    if moves and "api_key" not in fields and current.credentials.active().exists():
        # Else whoever may not read the key could have it sent to an address of theirs.
        message = "The key would go to another address: enter it again."
        raise ValidationError({"api_key": message})
    return _save_provider(current, fields)


@transaction.atomic
def delete_provider(*, provider: Provider) -> None:
    """With its keys. Raises ProviderInUseError while agents answer with it."""
    current = _locked_provider(provider)
    users = Agent.objects.using_provider(current)
    if names := list(users.values_list("name", flat=True)[:5]):
        raise ProviderInUseError(names)
    current.delete()


@transaction.atomic
def set_provider_key(*, provider: Provider, api_key: str) -> Credential:
    """A new version of the key; older versions stay for turns that run on them.

    Raises django's ValidationError for what cannot be a key.
    """
    secret = api_key.strip()
    if provider.kind == LOCAL:
        raise ValidationError({"api_key": "The local model takes no key."})
    # It travels in a header line.
    if not (
        secret.isascii() and secret.isprintable() and 0 < len(secret) <= KEY_LENGTH
    ):
        raise ValidationError({"api_key": "That is not a key of a provider."})
    # The lock on the provider's row makes two rotations at once count up.
    newest = _locked_provider(provider).credentials.aggregate(Max("version"))
    return Credential.objects.create(
        provider=provider,
        version=(newest["version__max"] or 0) + 1,
        ciphertext=encrypt(secret),
    )


def remove_provider_key(*, provider: Provider) -> None:
    """Revoke every version; new turns find no key."""
    provider.credentials.filter(revoked_at=None).update(revoked_at=timezone.now())


def _save_provider(provider: Provider, fields: ProviderFields) -> Provider:
    provider.name = fields.get("name", provider.name)
    provider.kind = fields.get("kind", provider.kind)
    provider.base_url = fields.get("base_url", provider.base_url)
    provider.model_names = _clean_models(fields.get("models", provider.model_names))
    provider.enabled = fields.get("enabled", provider.enabled)
    if provider.kind not in provider_names():
        raise ValidationError({"kind": f"There is no provider “{provider.kind}”."})
    provider.full_clean()
    if "kind" in fields or "base_url" in fields:
        check_base_url(provider.kind, provider.base_url)
    try:
        with transaction.atomic():
            provider.save()
    except IntegrityError as error:  # somebody else was faster
        raise ValidationError({"name": "That name is taken."}) from error
    if "api_key" in fields:
        key = fields["api_key"]
        if key is None:
            remove_provider_key(provider=provider)
        else:
            set_provider_key(provider=provider, api_key=key)
    return provider


def _clean_models(models: list[str]) -> list[str]:
    """Without repeats, in the given order."""
    clean = list(dict.fromkeys(name.strip() for name in models))
    if len(clean) > MODELS_LIMIT:
        raise ValidationError({"models": f"Give at most {MODELS_LIMIT} models."})
    for name in clean:
        try:
            MODEL_NAME(name)
        except ValidationError as error:
            raise ValidationError({"models": error.messages}) from error
    return clean


def _locked_provider(provider: Provider) -> Provider:
    found = Provider.objects.select_for_update().filter(pk=provider.pk).first()
    if found is None:
        raise NotFoundError
    return found


# ---------------------------------------------------------------------------- agents


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
    _require_published(is_default, published)
    _save_agent(agent)
    _locked_agent(agent, all_others=is_default)
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
def update_agent(
    *, agent: Agent, author: User | None, **fields: Unpack[AgentFields]
) -> Agent:
    """What is left out stays; a new revision if the way it answers changes.

    Raises django's ValidationError.
    """
    current = _locked_agent(agent, all_others="is_default" in fields)
    if current.is_default and not fields.get("is_default", True):
        message = "Make another agent the default instead."
        raise ValidationError({"is_default": message})
    current.slug = fields.get("slug", current.slug)
    current.name = fields.get("name", current.name)
    current.description = fields.get("description", current.description)
    current.published = fields.get("published", current.published)
    is_default = fields.get("is_default", current.is_default)
    _require_published(is_default, current.published)
    _save_agent(current)
    revision = current.revision
    if revision is None or fields.keys() & {"system_prompt", "model", "parameters"}:
        revise_agent(
            agent=current,
            system_prompt=fields.get(
                "system_prompt", revision.system_prompt if revision else ""
            ),
            model=fields.get("model", revision.model if revision else ""),
            parameters=fields.get(
                "parameters", revision.parameters if revision else {}
            ),
            author=author,
        )
    if is_default and not current.is_default:
        make_default(agent=current)
    return current


@transaction.atomic
def revise_agent(
    *,
    agent: Agent,
    system_prompt: str,
    model: str,
    parameters: Mapping[str, Any],
    author: User | None,
) -> AgentRevision:
    """A new revision, unless nothing changed. Running turns keep their own.

    Raises django's ValidationError.
    """
    try:
        clean = validate_parameters(parameters)
    except ValidationError as error:
        raise ValidationError({"parameters": error.messages}) from error
    if len(system_prompt) > PROMPT_LENGTH:
        message = f"Give at most {PROMPT_LENGTH} characters."
        raise ValidationError({"system_prompt": message})
    _locked_agent(agent)
    newest = agent.revisions.order_by("-number").first()
    if newest is None or newest.model != model:
        _require_provider(model)
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
    _locked_agent(agent, all_others=True)
    Agent.objects.filter(is_default=True).exclude(pk=agent.pk).update(is_default=False)
    Agent.objects.filter(pk=agent.pk).update(is_default=True)
    agent.is_default = True


def delete_agent(*, agent: Agent) -> None:
    """With its revisions. Raises DefaultAgentError, or AgentInUseError once a
    conversation is held with it."""
    try:
        with transaction.atomic():
            current = _locked_agent(agent)
            if current.is_default:
                raise DefaultAgentError
            current.delete()
    # Django's ProtectedError, or PostgreSQL's own word if a conversation was started
    # at the same moment.
    except IntegrityError as error:
        raise AgentInUseError from error


def _save_agent(agent: Agent) -> None:
    agent.full_clean(exclude=["revision"])
    try:
        with transaction.atomic():
            agent.save()
    except IntegrityError as error:  # somebody else was faster
        raise ValidationError({"slug": "That slug is taken."}) from error


def _require_published(is_default: bool, published: bool) -> None:
    if is_default and not published:
        message = "The default agent answers everybody and must be published."
        raise ValidationError({"published": message})


def _require_provider(model: str) -> None:
    """Also locks the provider: it cannot be deleted before we are done."""
    try:
        MODEL_ID(model)
    except ValidationError as error:
        raise ValidationError({"model": error.messages}) from error
    name = model.partition("/")[0]
    if not Provider.objects.select_for_update(no_key=True).filter(name=name).first():
        raise ValidationError({"model": f"There is no provider “{name}” here."})


def _locked_agent(agent: Agent, *, all_others: bool = False) -> Agent:
    # Without its revision: a join would show the one from before we had to wait.
    wanted = Agent.objects.select_for_update()
    if not all_others:
        wanted = wanted.filter(pk=agent.pk)
    for found in wanted.order_by("pk"):
        if found.pk == agent.pk:
            return found
    raise NotFoundError
