"""What can go wrong on our own connections to providers, as one of `llm.errors`.

Says the same as `llm._failures` says of LiteLLM's exceptions, from the same tables.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from llm import _failures, errors
from llm.events import Usage
from llm.parsers import StreamFailedError


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, secret: str | None
) -> errors.LLMError:
    """For an HTTP answer that is not a success; `body` as far as it was read."""
    words = body.decode(errors="replace")
    if status < 400:
        # Following it could hand the key and the prompt to another machine.
        return errors.ProviderBadRequest(
            f"redirected to {headers.get('Location')!r}, which is not followed",
            secrets=(secret,),
            provider_status=status,
        )
    kind = _failures.classify(set(), status, words, started=False)
    retry = headers.get("Retry-After")
    return kind(
        words,
        secrets=(secret,),
        provider_status=status,
        retry_after=_failures.seconds(retry) if retry else None,
    )


def failure(
    error: Exception,
    *,
    started: bool,
    secret: str | None,
    partial_usage: Usage | None,
) -> errors.LLMError:
    """For whatever broke an exchange; `started`: the answer's headers had come."""
    if isinstance(error, StreamFailedError):
        return _reported(error.body, secret, partial_usage)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return errors.ProviderBadRequest(f"no address: {error}", secrets=(secret,))
    return _failures.to_error(
        error, started=started, secrets=(secret,), partial_usage=partial_usage
    )


def _reported(
    body: object, secret: str | None, partial_usage: Usage | None
) -> errors.LLMError:
    """For an error object inside a stream, whose status of 200 says nothing."""
    words = _text(body)
    status = _failures.implied_status(body) if isinstance(body, Mapping) else 500
    return _failures.classify(set(), status, words, started=True)(
        words,
        secrets=(secret,),
        provider_status=status,
        partial_usage=partial_usage,
    )


def _text(body: Any) -> str:
    return body if isinstance(body, str) else orjson.dumps(body, default=str).decode()
