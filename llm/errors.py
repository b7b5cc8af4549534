"""Why a provider gave no complete answer, as exceptions with stable codes.

LLMError
├── ProviderKeyMissing        provider_key_missing       nothing was sent
├── ProviderUnauthorized      provider_unauthorized      401, 403
├── ProviderKeyRevoked        provider_key_revoked       ours, while a turn ran on it
├── ProviderDisabled          provider_disabled          switched off here
├── ProviderModelNotFound     provider_model_not_found   404, unknown model
├── ProviderRateLimited       provider_rate_limited      429
│   └── ProviderQuotaExceeded provider_quota_exceeded    429, 402: no credit left
├── ProviderBadRequest        provider_bad_request       400, 413, 422
│   └── ProviderContextExceeded provider_context_exceeded
├── ProviderContentFiltered   provider_content_filtered
├── ProviderUnavailable       provider_unavailable       no connection, 503, 529
├── ProviderError             provider_error             other 5xx, garbage
├── ProviderTimeout           provider_timeout           408, 504, our own deadlines
└── ProviderIncomplete        provider_incomplete        ended without a finish

`text` is for the person in the chat; `detail` is for our logs, with keys removed.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import quote

from llm.events import Usage

_DETAIL_LIMIT = 2_000
# What keys look like when a provider echoes one that is not exactly the one we sent.
_KEY_SHAPES = re.compile(
    r"(?i)\b(?:bearer\s+|(?:api[-_]?)?key[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]{6,}"
    r"|\b(?:sk|pk|rk|xai|gsk|ghp|hf|AIza|AKIA)[-_]?[A-Za-z0-9_*.\-]{12,}"
)


def gettext_noop(text: str) -> str:
    """Marks a text for the catalogues; who shows it translates it."""
    return text


def redact(text: str, *secrets: str | None) -> str:
    """`text` without the given secrets, in whichever form an answer repeats them, and
    without whatever looks like a key."""
    for secret in secrets:
        for form in _forms(secret) if secret else ():
            text = text.replace(form, "[redacted]")
    return _KEY_SHAPES.sub("[redacted]", text)


def _forms(secret: str) -> set[str]:
    """As it is, in an address, in JSON (where some put a backslash before each slash),
    in HTML, and as the password of a header."""
    in_json = json.dumps(secret)[1:-1]
    return {
        *(secret, quote(secret, safe=""), html.escape(secret)),
        *(in_json, in_json.replace("/", "\\/")),
        base64.b64encode(secret.encode(errors="replace")).decode(),
    }


class LLMError(Exception):
    """Base of all failures of this package; never raised itself.

    `status` is the HTTP status we answer with; `provider_status` the one the provider
    answered with; `retry_after` is in seconds. `partial_usage` counts what was spent
    before the failure: as reported by the provider, else estimated from the text that
    arrived, None when nothing did.
    """

    code: ClassVar[str]
    text: ClassVar[str]
    status: ClassVar[int] = 502

    def __init__(
        self,
        detail: str = "",
        *,
        secrets: tuple[str | None, ...] = (),
        provider_status: int | None = None,
        retry_after: float | None = None,
        partial_usage: Usage | None = None,
    ) -> None:
        super().__init__(self.text)
        self.detail = redact(detail, *secrets)[:_DETAIL_LIMIT]
        self.provider_status = provider_status
        self.retry_after = retry_after
        self.partial_usage = partial_usage


class ProviderKeyMissing(LLMError):
    code = "provider_key_missing"
    text = gettext_noop(
        "This provider has no API key yet; an administrator has to add one "
        "in its settings."
    )


class ProviderUnauthorized(LLMError):
    code = "provider_unauthorized"
    text = gettext_noop(
        "The provider refused our API key; an administrator has to check the key "
        "in the provider's settings."
    )


class ProviderKeyRevoked(LLMError):
    code = "provider_key_revoked"
    text = gettext_noop(
        "An administrator revoked the key this answer was written with; try again."
    )


class ProviderDisabled(LLMError):
    code = "provider_disabled"
    text = gettext_noop(
        "An administrator has switched this model off; choose another model or agent."
    )


class ProviderModelNotFound(LLMError):
    code = "provider_model_not_found"
    text = gettext_noop(
        "The provider does not know this agent's model; choose another model or ask "
        "an administrator to correct it."
    )


class ProviderRateLimited(LLMError):
    code = "provider_rate_limited"
    text = gettext_noop(
        "The provider is receiving too many requests from us; wait a moment and "
        "try again."
    )


class ProviderQuotaExceeded(ProviderRateLimited):
    code = "provider_quota_exceeded"
    text = gettext_noop(
        "Our account with the provider has no credit left; an administrator has to "
        "top it up."
    )


class ProviderBadRequest(LLMError):
    code = "provider_bad_request"
    text = gettext_noop(
        "The provider refused the request; an administrator should check this "
        "agent's model and parameters."
    )


class ProviderContextExceeded(ProviderBadRequest):
    code = "provider_context_exceeded"
    text = gettext_noop(
        "The conversation is longer than this model can read; send a shorter message "
        "or start a new conversation."
    )


class ProviderContentFiltered(LLMError):
    code = "provider_content_filtered"
    text = gettext_noop(
        "The provider's content filter blocked this message; rephrase it and try again."
    )


class ProviderUnavailable(LLMError):
    code = "provider_unavailable"
    text = gettext_noop(
        "The provider cannot be reached or is overloaded; try again in a few minutes."
    )


class ProviderError(LLMError):
    code = "provider_error"
    text = gettext_noop(
        "Something went wrong at the provider; try again, and choose another model "
        "if it keeps failing."
    )


class ProviderTimeout(LLMError):
    code = "provider_timeout"
    text = gettext_noop("The provider took too long to answer; try again.")


class ProviderIncomplete(LLMError):
    code = "provider_incomplete"
    text = gettext_noop(
        "The provider stopped in the middle of the answer, which is therefore not "
        "complete; try again."
    )


def sentence(code: str) -> str:
    """The sentence for the person that belongs to a stored code; "" if none does."""
    return next((kind.text for kind in _kinds(LLMError) if kind.code == code), "")


def _kinds(base: type[LLMError]) -> Iterator[type[LLMError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
