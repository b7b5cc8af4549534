"""What the environment makes of the settings."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from config import settings


def settings_with(patch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    for name in ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "DEFAULT_FROM_EMAIL"):
        patch.delenv(name, raising=False)
    for name, value in environment.items():
        patch.setenv(name, value)
    return runpy.run_path(settings.__file__)


def test_mail_is_printed_unless_there_is_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = settings_with(monkeypatch, PLATFORM_HOST="parley.example.org")
    assert printed["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"
    assert printed["DEFAULT_FROM_EMAIL"] == "parley@parley.example.org"


def test_mail_goes_to_the_server_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings_with(
        monkeypatch,
        EMAIL_HOST="smtp.example.org",
        EMAIL_HOST_USER="parley",
        EMAIL_HOST_PASSWORD="letter-box-9",
        DEFAULT_FROM_EMAIL="chat@example.org",
    )
    assert made["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (made["EMAIL_HOST"], made["EMAIL_PORT"]) == ("smtp.example.org", 587)
    assert (made["EMAIL_HOST_USER"], made["EMAIL_HOST_PASSWORD"]) == (
        "parley",
        "letter-box-9",
    )
    assert made["EMAIL_USE_TLS"] is True
    assert made["DEFAULT_FROM_EMAIL"] == "chat@example.org"


def test_port_and_tls_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings_with(
        monkeypatch, EMAIL_HOST="mail", EMAIL_PORT="25", EMAIL_USE_TLS="0"
    )
    assert (made["EMAIL_PORT"], made["EMAIL_USE_TLS"]) == (25, False)
