"""Django's test client on a tenant's host, for tests inside one transaction."""

from __future__ import annotations

import contextvars
import json
from functools import lru_cache
from typing import Any

from django.dispatch import receiver
from django.test import Client
from django.test.client import ClientHandler
from django.test.signals import setting_changed
from django.utils.html import escape

from tenants.db import PUBLIC, entered
from tenants.models import Tenant
from tests.factories import person


@lru_cache(maxsize=1)
def _middleware() -> Any:
    handler = ClientHandler()
    handler.load_middleware()
    return vars(handler)["_middleware_chain"]


@receiver(setting_changed)
def _forget(**_: object) -> None:
    _middleware.cache_clear()


class TenantClient(Client):
    """Speaks to `<slug>.localhost`, or to the platform; signed in by `sign_in`.

    Each request runs in a context of its own, as on a server: otherwise its tenant
    would stay in force for the rest of the test. All have the middleware in common,
    which looks through all static files when it is made.
    """

    def __init__(self, tenant: Tenant | None, host: str = "", **options: Any) -> None:
        own = f"{tenant.slug}.localhost" if tenant else "localhost"
        super().__init__(headers={"host": host or own}, **options)
        vars(self.handler)["_middleware_chain"] = _middleware()
        self._scope = tenant.scope if tenant else PUBLIC
        self._tenant = tenant

    def sign_in(self, name: str) -> TenantClient:
        """As one of the cast, by session."""
        assert self._tenant is not None
        user = person(self._tenant, name)
        with entered(self._scope):
            self.force_login(user)
        return self

    def call(self, method: str, path: str, body: object = None, **extra: Any) -> Any:
        """A request with a JSON body; the response."""
        return self.generic(
            method,
            path,
            "" if body is None else json.dumps(body),
            content_type="application/json",
            **extra,
        )

    def request(self, **request: Any) -> Any:
        return contextvars.copy_context().run(super().request, **request)


def form_errors(answer: Any) -> list[str]:
    """What a form of the admin complains about, and shows; fails when it was saved."""
    assert answer.status_code == 200
    found = [message for each in answer.context["errors"] for message in each]
    page = answer.content.decode()
    assert all(escape(message) in page for message in found), found
    return found
