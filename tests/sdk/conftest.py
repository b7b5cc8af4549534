"""A person of acme who uses the AI SDK's client, in Node, on a live server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tenants.models import Tenant
from tests.chat.talk import CHAT, Talk
from tests.factories import make_key, point_agent
from tests.provider import Provider
from tests.sdk.react import Chat, ReactClient, require_packages
from tests.servers import LiveServer, host_of


@dataclass(frozen=True, slots=True)
class Person:
    """`react` is what is tested; `talk` is for what the SDK has no call for."""

    react: ReactClient
    talk: Talk

    @property
    def provider(self) -> Provider:
        return self.talk.provider

    def mount(self, chat_id: str | None = None, **options: Any) -> Chat:
        """A component; see ReactClient.mount. `key` is another one's."""
        key = options.pop("key", None) or make_key(self.talk.tenant, "member")
        host = host_of(self.talk.tenant)
        return self.react.mount(self.talk.server, host, key, chat_id=chat_id, **options)

    def history(self, chat_id: str) -> list[dict[str, Any]]:
        """What an app fills `useChat({messages})` with."""
        answer = self.talk.client.get(f"{CHAT}/{chat_id}/messages")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


@pytest.fixture(scope="session")
def _react() -> Iterator[ReactClient]:
    require_packages()
    with ReactClient() as react:
        yield react


@pytest.fixture
def person(
    _react: ReactClient, server: LiveServer, acme: Tenant, provider: Provider
) -> Iterator[Person]:
    with _person(_react, server, acme, provider) as someone:
        yield someone


@pytest.fixture
def each_person(
    _react: ReactClient, each_server: LiveServer, acme: Tenant, provider: Provider
) -> Iterator[Person]:
    """The test runs once on each kind of server."""
    with _person(_react, each_server, acme, provider) as someone:
        yield someone


@contextmanager
def _person(
    react: ReactClient, server: LiveServer, tenant: Tenant, provider: Provider
) -> Iterator[Person]:
    point_agent(tenant, provider.url)
    with Talk(server, tenant, provider) as talk:
        try:
            yield Person(react, talk)
        finally:
            react.leave()
