"""Agents and providers changed by several admins at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from agents import services
from agents.crypto import UnreadableCredentialError, decrypt, encrypt
from agents.errors import NotFoundError, ProviderInUseError
from agents.models import Agent, Provider
from agents.resolving import resolve_model
from tenants.db import NoTenantError, entered, unit
from tenants.models import Tenant

MODEL = "local/smollm2-135m"


def together(tenant: Tenant, *works: Callable[[], object]) -> list[object]:
    """What each gave, or the exception it raised."""

    async def go() -> list[object]:
        calls = (unit(tenant.scope, work) for work in works)
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(go())


def kinds(results: list[object]) -> set[type]:
    return {type(result) for result in results}


def test_rotations_at_once_count_up(committed: None, acme: Tenant) -> None:
    with entered(acme.scope):
        provider = services.create_provider(name="openai", kind="openai")

    def rotate(number: int) -> Callable[[], object]:
        return lambda: services.set_provider_key(
            provider=provider, api_key=f"sk-{number}"
        )

    results = together(acme, *(rotate(number) for number in range(8)))
    assert not any(isinstance(result, BaseException) for result in results), results
    with entered(acme.scope):
        versions = provider.credentials.values_list("version", flat=True)
        assert sorted(versions) == list(range(1, 9))


def test_revisions_at_once_are_all_kept(committed: None, acme: Tenant) -> None:
    with entered(acme.scope):
        agent = Agent.objects.get()

    def revise(number: int) -> Callable[[], object]:
        return lambda: services.update_agent(
            agent=agent, author=None, system_prompt=f"Prompt {number}."
        )

    results = together(acme, *(revise(number) for number in range(8)))
    assert kinds(results) == {Agent}, results
    with entered(acme.scope):
        agent.refresh_from_db()
        revisions = list(agent.revisions.order_by("number"))
        assert [each.number for each in revisions] == list(range(1, 10))
        assert agent.revision == revisions[-1]


def test_changes_of_different_fields_at_once_are_all_kept(
    committed: None, acme: Tenant
) -> None:
    with entered(acme.scope):
        agent = Agent.objects.get()
    for value in "abcde":
        change = partial(services.update_agent, agent=agent, author=None)
        results = together(
            acme,
            partial(change, name=value),
            partial(change, description=value),
            partial(change, slug=value),
            partial(change, system_prompt=value),
        )
        assert kinds(results) == {Agent}, results
        with entered(acme.scope):
            kept = Agent.objects.select_related("revision").get()
            assert kept.revision is not None
            texts = (kept.name, kept.description, kept.slug)
            assert (*texts, kept.revision.system_prompt) == (value,) * 4


def test_there_is_one_default_however_many_want_it(
    committed: None, acme: Tenant
) -> None:
    with entered(acme.scope):
        agents = [
            services.create_agent(slug=f"agent-{n}", name="A", model=MODEL)
            for n in range(6)
        ]

    def promote(agent: Agent) -> Callable[[], object]:
        return lambda: services.update_agent(
            agent=agent, author=None, is_default=True, system_prompt="New."
        )

    results = together(acme, *map(promote, agents))
    assert kinds(results) == {Agent}, results
    with entered(acme.scope):
        assert Agent.objects.filter(is_default=True).count() == 1


def test_a_slug_is_taken_once_whoever_is_faster(committed: None, acme: Tenant) -> None:
    results = together(
        acme,
        *[lambda: services.create_agent(slug="same", name="A", model=MODEL)] * 4,
    )
    assert kinds(results) == {Agent, ValidationError}
    made = together(
        acme, *[lambda: services.create_provider(name="same", kind="openai")] * 4
    )
    assert kinds(made) == {Provider, ValidationError}


def test_a_provider_goes_or_gets_an_agent_never_both(
    committed: None, acme: Tenant
) -> None:
    for number in range(6):
        with entered(acme.scope):
            provider = services.create_provider(name=f"p{number}", kind="openai")

        def use(name: str = provider.name) -> object:
            return services.create_agent(
                slug=f"for-{name}", name="A", model=f"{name}/x"
            )

        def remove(provider: Provider = provider) -> object:
            return services.delete_provider(provider=provider)

        used, removed = together(acme, use, remove)
        assert isinstance(used, Agent) == isinstance(removed, ProviderInUseError)
        assert isinstance(used, ValidationError) == (removed is None)


def test_what_is_gone_cannot_be_changed(db: None, acme: Tenant) -> None:
    with entered(acme.scope):
        agent = services.create_agent(slug="gone", name="Gone", model=MODEL)
        provider = services.create_provider(name="gone", kind="openai")
        Agent.objects.filter(pk=agent.pk).update(revision=None)
        Agent.objects.filter(pk=agent.pk).delete()
        Provider.objects.filter(pk=provider.pk).delete()
        with pytest.raises(NotFoundError):
            services.update_agent(agent=agent, author=None, name="New")
        with pytest.raises(NotFoundError):
            services.delete_agent(agent=agent)
        with pytest.raises(NotFoundError):
            services.update_provider(provider=provider, enabled=False)


def test_a_running_turns_key_outlives_a_rotation(db: None, acme: Tenant) -> None:
    with entered(acme.scope):
        provider = services.create_provider(
            name="openai", kind="openai", models=["gpt-4o"], api_key="sk-old"
        )
        before = resolve_model("openai/gpt-4o")[0]
        services.set_provider_key(provider=provider, api_key=" sk-new ")
        assert before.api_key == "sk-old"
        assert resolve_model("openai/gpt-4o")[0].api_key == "sk-new"


def test_ciphertexts_are_a_tenants_own(acme: Tenant, globex: Tenant) -> None:
    with entered(acme.scope):
        sealed = encrypt("sk-secret")
        assert "sk-secret" not in sealed
        assert decrypt(sealed) == "sk-secret"
        assert encrypt("sk-secret") != sealed
    with entered(globex.scope), pytest.raises(UnreadableCredentialError):
        decrypt(sealed)
    with pytest.raises(NoTenantError):
        encrypt("sk-secret")


def test_a_host_is_looked_up_before_the_transaction(
    committed: None, acme: Tenant, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A slow name server would else hold the provider's row and block everybody."""
    settings.ALLOW_PRIVATE_ADDRESSES = False
    inside: list[bool] = []

    def look_up(*_: object) -> list[tuple[object, ...]]:
        inside.append(connection.in_atomic_block)
        return [(2, 1, 6, "", ("8.8.8.8", 443))]

    with entered(acme.scope):
        before = connection.in_atomic_block
        with monkeypatch.context() as patched:
            patched.setattr("agents.addresses.socket.getaddrinfo", look_up)
            provider = services.create_provider(
                name="far", kind="openai", base_url="https://far.example/v1"
            )
            services.update_provider(
                provider=provider, base_url="https://farther.example/v1"
            )
    assert (before, inside) == (False, [False, False])


def test_a_revision_never_changes(db: None, acme: Tenant) -> None:
    with entered(acme.scope):
        agent = services.create_agent(slug="kept", name="Kept", model=MODEL)
        revision = agent.revisions.get()
        for change in ({"system_prompt": "Lie."}, {"model": "x/y"}, {"number": 9}):
            refused = pytest.raises(IntegrityError, match="never change")
            with refused, transaction.atomic():
                agent.revisions.update(**change)
        revision.parameters = {"temperature": 2}
        with pytest.raises(IntegrityError, match="never change"), transaction.atomic():
            revision.save()
        agent.revisions.update(author=None)
        services.delete_agent(agent=agent)
