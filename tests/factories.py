"""People, keys, providers and agents for tests, each made as the product makes them."""

from __future__ import annotations

from accounts.models import User
from accounts.services import create_api_key, create_user
from agents.models import Agent, AgentRevision, Provider
from agents.services import revise_agent, set_provider_key
from tenants.db import entered
from tenants.models import Tenant
from tenants.services import create_tenant

PASSWORD = "violet-anchor-42"
PROVIDER_KEY = "sk-tenant-0123456789abcdef"
STAND_IN = "standin"
STAND_IN_MODEL = "some-model"


def email_of(tenant: Tenant, name: str) -> str:
    return f"{name}@{tenant.slug}.test"


def make_tenant_with_cast(slug: str) -> Tenant:
    """An owner, and two members: `member`, and `stranger` to whom nothing belongs.

    Made in the same order everywhere: their ids are equal in all tenants.
    """
    tenant = create_tenant(
        slug=slug,
        name=slug.title(),
        owner_email=f"owner@{slug}.test",
        owner_password=PASSWORD,
    )
    with entered(tenant.scope):
        for name in ("member", "stranger"):
            create_user(email=email_of(tenant, name), password=PASSWORD)
    return tenant


def person(tenant: Tenant, name: str) -> User:
    """One of the cast: owner, member or stranger."""
    with entered(tenant.scope):
        return User.objects.get(email=email_of(tenant, name))


def make_key(tenant: Tenant, name: str) -> str:
    """An API key of one of the cast, as it goes into the Authorization header."""
    with entered(tenant.scope):
        return create_api_key(user=person(tenant, name), name="test")[1]


def make_provider(
    tenant: Tenant,
    *,
    base_url: str,
    name: str = STAND_IN,
    models: tuple[str, ...] = (STAND_IN_MODEL,),
    api_key: str | None = PROVIDER_KEY,
) -> Provider:
    """An openai_compatible provider."""
    with entered(tenant.scope):
        provider = Provider.objects.create(
            name=name,
            kind="openai_compatible",
            base_url=base_url,
            model_names=list(models),
        )
        if api_key is not None:
            set_provider_key(provider=provider, api_key=api_key)
        return provider


def point_agent(
    tenant: Tenant,
    base_url: str,
    *,
    slug: str = "assistant",
    model: str = STAND_IN_MODEL,
    api_key: str | None = PROVIDER_KEY,
    **parameters: object,
) -> AgentRevision:
    """Lets the tenant's agent `slug` answer with `model` of the server at `base_url`.

    May be called again for another model or address.
    """
    with entered(tenant.scope):
        provider = Provider.objects.filter(name=STAND_IN).first()
        if provider is None:
            make_provider(tenant, base_url=base_url, api_key=api_key)
        else:
            provider.base_url = base_url
            provider.save()
        agent = Agent.objects.get(slug=slug)
        return revise_agent(
            agent=agent,
            system_prompt="You are a test.",
            model=f"{STAND_IN}/{model}",
            parameters=parameters,
            author=None,
        )
