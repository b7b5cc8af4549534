"""Encryption of provider keys at rest.

Every tenant has keys of its own, derived from settings.CREDENTIAL_KEYS by its schema
name: a ciphertext copied into another tenant's table cannot be read there.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from tenants.db import scope


class UnreadableCredentialError(Exception):
    """None of CREDENTIAL_KEYS opens this ciphertext."""


def encrypt(secret: str) -> str:
    """For the current tenant, with the newest key."""
    return (
        _cipher(scope().schema_name, tuple(settings.CREDENTIAL_KEYS))
        .encrypt(secret.encode())
        .decode("ascii")
    )


def decrypt(ciphertext: str) -> str:
    """Raises UnreadableCredentialError if made by another tenant or a lost key."""
    cipher = _cipher(scope().schema_name, tuple(settings.CREDENTIAL_KEYS))
    try:
        return cipher.decrypt(ciphertext.encode("ascii")).decode()
    except InvalidToken as error:
        raise UnreadableCredentialError from error


def reencrypted(ciphertext: str) -> str:
    """The same secret under the newest key; as it is, if that made it already.

    Raises as `decrypt` does.
    """
    schema_name, keys = scope().schema_name, tuple(settings.CREDENTIAL_KEYS)
    token = ciphertext.encode("ascii")
    try:
        _cipher(schema_name, keys[:1]).decrypt(token)
    except InvalidToken:
        return encrypt(decrypt(ciphertext))
    return ciphertext


@lru_cache(maxsize=512)
def _cipher(schema_name: str, keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key, schema_name)) for key in keys])


def _derive(key: str, schema_name: str) -> bytes:
    info = b"parley credential " + schema_name.encode()
    derived = HKDF(SHA256(), 32, salt=None, info=info).derive(key.encode())
    return base64.urlsafe_b64encode(derived)
