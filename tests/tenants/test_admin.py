"""Tenants and domains in the platform's admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.db.models.signals import pre_save

from accounts.models import User
from tenants import hosts
from tenants.db import PUBLIC, entered
from tenants.models import Domain, Tenant
from tests.clients import TenantClient

ClientFor = Callable[..., TenantClient]


def test_a_new_domain_leads_to_its_tenant_at_once(
    acme: Tenant,
    client_for: ClientFor,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with entered(PUBLIC):
        root = User.objects.create_user("root@platform.test", role="owner")
        platform = client_for(None)
        platform.force_login(root)
        first = Domain.objects.get(tenant=acme)
    form = {
        "name": acme.name,
        "status": "active",
        "domains-TOTAL_FORMS": "2",
        "domains-INITIAL_FORMS": "1",
        "domains-0-id": str(first.pk),
        "domains-0-tenant": str(acme.pk),
        "domains-0-domain": first.domain,
        "domains-0-is_primary": "on",
        "domains-1-tenant": str(acme.pk),
        "domains-1-domain": "chat.acme.test",
    }
    met: list[hosts.Resolution] = []

    def ask(sender: type[Domain], instance: Domain, **kwargs: object) -> None:
        """As another request would while this one saves."""
        if instance.domain == "chat.acme.test":
            met.append(async_to_sync(hosts.resolve)("chat.acme.test"))

    pre_save.connect(ask, sender=Domain)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            url = f"/admin/tenants/tenant/{acme.pk}/change/"
            answer = platform.post(url, form)
    finally:
        pre_save.disconnect(ask, sender=Domain)
    assert answer.status_code == 302, answer.content
    assert [each.scope for each in met] == [None], "it was asked for too early"
    found = async_to_sync(hosts.resolve)("chat.acme.test")
    assert found.scope == acme.scope
    refused = platform.post(url, form | {"domains-1-domain": "localhost"})
    assert "is the platform&#x27;s own address." in refused.content.decode()
