"""From whatever LiteLLM or its HTTP libraries raise to one of `llm.errors`.

LiteLLM's classes are not trusted: it calls a refused connection and its own bugs a
500, and a 401 sometimes a BadRequestError. What counts is, in this order: what happened
to the connection, the status the provider answered with, the words of its answer. All
of it is found by walking the chain of causes. Classes are compared by name, so that
this module needs neither httpx nor aiohttp nor litellm.
"""

import email.utils
import re
import time
from collections.abc import Iterator, Mapping

from llm import errors
from llm.events import Usage

_NO_CONNECTION = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "ClientConnectorError",
        "ConnectionTimeoutError",
        "ConnectionRefusedError",
        "gaierror",
    }
)
_BROKEN_CONNECTION = frozenset(
    {
        "ReadError",
        "WriteError",
        "RemoteProtocolError",
        "ClientPayloadError",
        "ServerDisconnectedError",
        "ClientOSError",
        "ConnectionResetError",
        "BrokenPipeError",
    }
)
_TIMED_OUT = frozenset({"TimeoutError", "TimeoutException", "Timeout"})

# Words of known providers' answers, lower case. The first match decides.
_WORDS: tuple[tuple[type[errors.LLMError], re.Pattern[str]], ...] = (
    (
        errors.ProviderUnauthorized,
        re.compile(r"api key not valid|api_key_invalid|(incorrect|invalid) api key"),
    ),
    (
        errors.ProviderQuotaExceeded,
        re.compile(
            r"insufficient[_ ](quota|credits|balance)|credit balance is too low"
        ),
    ),
    (
        errors.ProviderContextExceeded,
        re.compile(
            r"contextwindowexceeded|context_length_exceeded|maximum context length"
            r"|context (window|size|length)|prompt is too long|input is too long"
            r"|exceed_context|input token count|too many (input )?tokens"
        ),
    ),
    (
        errors.ProviderContentFiltered,
        re.compile(r"contentpolicyviolation|content_(filter|policy)|responsibleai"),
    ),
    (
        errors.ProviderModelNotFound,
        re.compile(
            r"model_not_found|(unknown|invalid|unsupported) model|not a valid model"
            r"|model\W.{0,80}(does not exist|not found)"
        ),
    ),
)
# An error inside a stream comes after a status of 200; its kind then says the status.
_KINDS: Mapping[str, int] = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "content_filter": 400,
}
_BY_STATUS: Mapping[int, type[errors.LLMError]] = {
    401: errors.ProviderUnauthorized,
    402: errors.ProviderQuotaExceeded,
    403: errors.ProviderUnauthorized,
    404: errors.ProviderModelNotFound,
    408: errors.ProviderTimeout,
    429: errors.ProviderRateLimited,
    503: errors.ProviderUnavailable,
    504: errors.ProviderTimeout,
    529: errors.ProviderUnavailable,
}
# Statuses whose meaning the words of the answer may make more exact.
_VAGUE = frozenset({400, 403, 413, 422, 429})


def to_error(
    failure: Exception,
    *,
    started: bool,
    secrets: tuple[str | None, ...],
    partial_usage: Usage | None,
) -> errors.LLMError:
    """The error to raise for `failure`; `started`: the provider's stream had begun."""
    chain = list(_chain(failure))
    status = _status(chain)
    words = _text(chain)
    names = {name for error in chain for name in _names(error)}
    if names & _NO_CONNECTION:
        status = None  # LiteLLM makes one up
    kind = classify(names, status, words, started)
    return kind(
        words,
        secrets=secrets,
        provider_status=status,
        retry_after=_retry_after(chain),
        partial_usage=partial_usage,
    )


def classify(
    names: set[str], status: int | None, words: str, started: bool
) -> type[errors.LLMError]:
    """The class for what is known: names of exceptions, status, the answer's words."""
    if names & _NO_CONNECTION:
        return errors.ProviderUnavailable
    if names & _TIMED_OUT:
        return errors.ProviderTimeout
    if names & _BROKEN_CONNECTION:
        return errors.ProviderIncomplete if started else errors.ProviderUnavailable
    if status is None:
        return errors.ProviderError
    if status in _VAGUE:
        searched = " ".join((words, *names)).lower()
        for kind, pattern in _WORDS:
            if pattern.search(searched):
                return kind
    if status >= 500 and "overloaded" in words.lower():
        return errors.ProviderUnavailable
    if known := _BY_STATUS.get(status):
        return known
    return errors.ProviderBadRequest if status < 500 else errors.ProviderError


def _chain(failure: BaseException) -> Iterator[BaseException]:
    """`failure` and its causes, outermost first; LiteLLM nests three or four."""
    link: BaseException | None = failure
    for _ in range(12):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _names(error: BaseException) -> Iterator[str]:
    return (base.__name__ for base in type(error).__mro__)


def _status(chain: list[BaseException]) -> int | None:
    """The status nearest the wire, else the one the error object implies."""
    for error in reversed(chain):
        response = getattr(error, "response", None)
        for holder in (error, response):
            status = getattr(holder, "status_code", None)
            if isinstance(status, int) and status >= 300:  # redirects too
                return status
    for error in chain:
        body = getattr(error, "body", None)
        if isinstance(body, Mapping):
            return implied_status(body)
    return None


def implied_status(body: Mapping[str, object]) -> int:
    """The HTTP status that an error object inside a stream stands for."""
    for field in ("code", "status", "type"):
        value = body.get(field)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
        if isinstance(value, str) and value in _KINDS:
            return _KINDS[value]
    return 500


def _text(chain: list[BaseException]) -> str:
    """All different messages of the chain and the raw error object, one a line."""
    lines: dict[str, None] = {}
    for error in chain:
        lines[f"{type(error).__name__}: {error}"] = None
        body = getattr(error, "body", None)
        if body is not None:
            lines[str(body)] = None
    return "\n".join(lines)


def _retry_after(chain: list[BaseException]) -> float | None:
    """Seconds from any Retry-After header on the way; it may also be a date."""
    for error in chain:
        response = getattr(error, "response", None)
        for headers in (
            getattr(error, "litellm_response_headers", None),
            getattr(response, "headers", None),
        ):
            value = headers.get("retry-after") if headers else None
            if isinstance(value, str) and (wait := seconds(value)) is not None:
                return wait
    return None


def seconds(value: str) -> float | None:
    """Of a Retry-After header, which may also be a date; None when it is neither."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
