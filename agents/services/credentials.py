"""Versions of providers' keys: made, revoked, encrypted anew."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from agents.crypto import UnreadableCredentialError, encrypt, reencrypted
from agents.models import LOCAL, Credential, McpServer, Provider
from agents.querysets import CredentialQuerySet
from agents.services.locking import locked_provider

KEY_LENGTH = 2_000


@transaction.atomic
def set_provider_key(*, provider: Provider, api_key: str) -> Credential:
    """A new version of the key; older versions stay for turns that run on them.

    Raises django's ValidationError for what cannot be a key.
    """
    secret = api_key.strip()
    if provider.kind == LOCAL:
        raise ValidationError({"api_key": _("The local model takes no key.")})
    # It travels in a header line.
    if not (
        secret.isascii() and secret.isprintable() and 0 < len(secret) <= KEY_LENGTH
    ):
        raise ValidationError({"api_key": _("That is not a key of a provider.")})
    # The lock on the provider's row makes two rotations at once count up.
    newest = locked_provider(provider).credentials.aggregate(Max("version"))
    return Credential.objects.create(
        provider=provider,
        version=(newest["version__max"] or 0) + 1,
        ciphertext=encrypt(secret),
    )


def remove_provider_key(*, provider: Provider) -> None:
    """Revoke every version; new turns find no key, running ones are ended."""
    _revoke(Credential.objects.filter(provider=provider, revoked_at=None))


def revoke_credential(*, credential: Credential) -> None:
    """End one version at once: new turns take the newest that is left, turns that run
    on this one are ended within a second. Harmless when it is revoked already."""
    _revoke(Credential.objects.filter(pk=credential.pk, revoked_at=None))


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """What became of the ciphertexts of one tenant."""

    changed: int
    current: int
    unreadable: int


@transaction.atomic
def reencrypt_all() -> Reencrypted:
    """Every ciphertext of the current tenant under the newest of CREDENTIAL_KEYS.

    Those that are already stay as they are; those that no key opens too.
    """
    changed = current = unreadable = 0
    keys = Credential.objects.select_for_update().exclude(ciphertext="")
    headers = McpServer.objects.select_for_update().exclude(ciphertext="")
    for held in (*keys.order_by("pk"), *headers.order_by("pk")):
        try:
            ciphertext = reencrypted(held.ciphertext)
        except UnreadableCredentialError:
            unreadable += 1
            continue
        if ciphertext == held.ciphertext:
            current += 1
            continue
        held.ciphertext = ciphertext
        held.save(update_fields=["ciphertext"])
        changed += 1
    return Reencrypted(changed, current, unreadable)


def _revoke(credentials: CredentialQuerySet) -> None:
    """The turns that run on them hold the key in memory; nobody needs this copy."""
    credentials.update(revoked_at=timezone.now(), ciphertext="")
