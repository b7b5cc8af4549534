"""rotate_credential_keys: the platform's keys change, the tenants' stay readable."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from agents.models import Credential
from agents.resolving import resolve_model
from agents.services import create_provider
from tenants.db import entered
from tenants.models import Tenant

OLD, NEW = "the-first-platform-key", "the-second-platform-key"
SECRET = "sk-of-a-tenant-0001"


def rotate() -> str:
    out = StringIO()
    call_command("rotate_credential_keys", stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def key_of(tenant: Tenant) -> str | None:
    with entered(tenant.scope):
        return resolve_model("openai/gpt-4o").endpoint.api_key


def test_after_a_rotation_the_old_key_can_go(
    db: None, acme: Tenant, globex: Tenant, settings: Settings
) -> None:
    settings.CREDENTIAL_KEYS = [OLD]
    for tenant in (acme, globex):
        with entered(tenant.scope):
            create_provider(name="openai", kind="openai", api_key=SECRET)
    settings.CREDENTIAL_KEYS = [NEW, OLD]
    assert rotate() == "2 encrypted anew, 0 were already."
    assert rotate() == "0 encrypted anew, 2 were already."
    settings.CREDENTIAL_KEYS = [NEW]
    assert key_of(acme) == key_of(globex) == SECRET


def test_what_cannot_be_read_is_told_and_kept(
    db: None, acme: Tenant, settings: Settings
) -> None:
    settings.CREDENTIAL_KEYS = [OLD]
    with entered(acme.scope):
        create_provider(name="openai", kind="openai", api_key=SECRET)
        before = Credential.objects.get().ciphertext
    settings.CREDENTIAL_KEYS = [NEW]
    with pytest.raises(CommandError, match="1 keys were made with a key"):
        rotate()
    with entered(acme.scope):
        assert Credential.objects.get().ciphertext == before
