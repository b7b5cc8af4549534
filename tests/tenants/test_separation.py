"""Cache, files, content types and logs belong to one tenant."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from config.logging import add_tenant
from tenants.db import PUBLIC, NoTenantError, entered, scope, unit
from tenants.models import Tenant


def test_the_cache_is_a_tenants_own(db: None, acme: Tenant, globex: Tenant) -> None:
    with entered(acme.scope):
        cache.set("key", "acme's")
    with entered(globex.scope):
        assert cache.get("key") is None
        cache.set("key", "globex's")
    with entered(acme.scope):
        assert cache.get("key") == "acme's"
    with entered(PUBLIC):
        assert cache.get("key") is None


def test_without_a_tenant_there_is_no_cache_and_no_file() -> None:
    with pytest.raises(NoTenantError):
        cache.get("key")
    with pytest.raises(NoTenantError):
        cache.set("key", 1)
    with pytest.raises(NoTenantError):
        default_storage.exists("note.txt")


def test_files_are_a_tenants_own(acme: Tenant, globex: Tenant) -> None:
    with entered(acme.scope):
        name = default_storage.save("notes/a.txt", ContentFile(b"acme's"))
        folder = Path(settings.MEDIA_ROOT) / acme.schema_name
        assert Path(default_storage.path(name)).is_relative_to(folder)
    with entered(globex.scope):
        assert not default_storage.exists(name)
        with pytest.raises(SuspiciousFileOperation):
            default_storage.open(f"../{acme.schema_name}/{name}")
    with entered(acme.scope), default_storage.open(name) as file:
        assert file.read() == b"acme's"
        default_storage.delete(name)


def test_content_types_of_different_tenants_are_not_mixed(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    ContentType.objects.clear_cache()
    with entered(globex.scope):
        ours = ContentType.objects.get_for_model(Tenant)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM auth_permission")  # it points there
            cursor.execute(
                "UPDATE django_content_type SET id = 999 WHERE id = %s", [ours.pk]
            )
        ContentType.objects.clear_cache()
        assert ContentType.objects.get_for_model(Tenant).pk == 999
    with entered(acme.scope):
        assert ContentType.objects.get_for_model(Tenant).pk != 999
    with entered(globex.scope):
        assert ContentType.objects.get_for_model(Tenant).pk == 999
        assert ContentType.objects.get_for_id(999).model == "tenant"
        ContentType.objects.clear_cache()


def test_content_types_have_the_same_ids_in_all_tenants(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    ids = []
    for tenant in (acme, globex):
        with entered(tenant.scope):
            rows = ContentType.objects.values_list("pk", "app_label", "model")
            ids.append(sorted(rows))
    assert ids[0] == ids[1]


def test_logs_name_the_tenant(acme: Tenant) -> None:
    logger = logging.getLogger("tenants")
    with entered(acme.scope):
        assert add_tenant(logger, "info", {})["tenant"] == acme.schema_name
    assert "tenant" not in add_tenant(logger, "info", {})


def test_cache_and_files_of_two_tenants_at_once(
    committed: None, acme: Tenant, globex: Tenant
) -> None:
    def work(number: int) -> str:
        slug = scope().slug
        cache.set("mine", slug)
        name = f"{number}.txt"
        default_storage.save(name, ContentFile(json.dumps(slug)))
        with default_storage.open(name) as file:
            kept = json.load(file)
        default_storage.delete(name)
        model = ContentType.objects.get_for_model(Tenant)
        found = ContentType.objects.get(app_label="tenants", model="tenant")
        assert model == found
        return f"{cache.get('mine')} {kept}"

    async def go() -> list[str]:
        calls = [
            unit(tenant.scope, work, number)
            for number in range(100)
            for tenant in (acme, globex)
        ]
        return await asyncio.gather(*calls)

    assert asyncio.run(go()) == ["acme acme", "globex globex"] * 100
