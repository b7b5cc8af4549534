"""Which addresses a provider may have. llm.addresses looks again at each connection."""

from __future__ import annotations

import socket
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

from agents.models import LOCAL
from llm.addresses import is_public
from llm.catalogue import KEYLESS

_WRONG = gettext_lazy(
    "Give an http:// or https:// address, for example https://host/v1."
)


def check_base_url(kind: str, base_url: str) -> None:
    """Raises django's ValidationError for an address that cannot be a provider's."""
    if kind == LOCAL and base_url:
        raise ValidationError(
            {"base_url": gettext("The local model has no address to set.")}
        )
    # Programs that people run themselves; LiteLLM would look for some of them on
    # this very machine.
    if kind in KEYLESS and kind != LOCAL and not base_url:
        message = gettext("A provider of kind %(kind)s needs one.") % {"kind": kind}
        raise ValidationError({"base_url": message})
    if not base_url:
        return
    parts = _split(base_url)
    if parts.username or parts.password:
        raise ValidationError({"base_url": gettext("Put the key into its own field.")})
    if parts.query or parts.fragment:
        message = gettext("Leave out “?”, “#” and what follows.")
        raise ValidationError({"base_url": message})


def check_page(url: str) -> None:
    """Raises django's ValidationError for what is no plain address of a page."""
    try:
        parts = _split(url)
    except ValidationError:
        message = gettext("Give an http:// or https:// address.")
        raise ValidationError(message) from None
    if parts.username or parts.password:
        raise ValidationError(
            gettext("An address with a password in it is not called.")
        )


def check_host(base_url: str) -> None:
    """Raises django's ValidationError for an address that may not be called.

    Private and loopback addresses are refused unless the operator allows them: a
    tenant's admin must not reach the operator's own network through us. Asks the
    network for the host's name, which may take seconds: hold no lock meanwhile.
    """
    if base_url and not settings.ALLOW_PRIVATE_ADDRESSES:
        _require_public(_split(base_url))


def _split(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        plain = base_url.isprintable() and " " not in base_url
        if plain and parts.scheme in {"http", "https"} and parts.hostname:
            _ = parts.port  # raises for a port that is none
            return parts
    except ValueError as error:
        raise ValidationError({"base_url": _WRONG}) from error
    raise ValidationError({"base_url": _WRONG})


def _require_public(parts: SplitResult) -> None:
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443)
    except (OSError, UnicodeError) as error:
        message = gettext("That host cannot be found.")
        raise ValidationError({"base_url": message}) from error
    for *_, address in found:
        if not is_public(str(address[0])):
            message = gettext("Addresses of private networks are not allowed here.")
            raise ValidationError({"base_url": message})
