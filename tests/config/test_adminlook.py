"""The admin's sidebar."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin

from tenants.models import Tenant
from tests.clients import TenantClient


def test_the_sidebar_leads_to_every_list(
    acme: Tenant, client_for: Callable[..., TenantClient]
) -> None:
    page = client_for(acme, "owner").get("/admin/").content.decode()
    sidebar = page.partition('id="nav-sidebar"')[2].partition("</nav>")[0] or page
    names = [
        model._meta.label_lower.replace(".", "/") for model in admin.site._registry
    ]
    missing = [name for name in names if f'href="/admin/{name}/"' not in sidebar]
    assert missing == []
