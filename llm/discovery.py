"""Which models there are at an endpoint: asked of servers that people run themselves,
known from LiteLLM's price list of all others."""

import asyncio
from typing import Any, Final

import aiohttp
import orjson

from llm import _litellm, catalogue, errors, network, session
from llm.client import NO_KEY, Endpoint

# Programs that people run themselves answer to `/models`, some below another address.
ASKED: Final = catalogue.KEYLESS - {"local"}
_BELOW: Final = {"ollama": "/v1/models", "ollama_chat": "/v1/models"}
_SECONDS: Final = 15.0
_BYTES: Final = 2 * 1024 * 1024
_MOST: Final = 2_000
_LONGEST: Final = 150


async def models_at(endpoint: Endpoint, *, private_addresses: bool) -> list[str]:
    """Names of models, sorted. Raises `LLMError` where the server has to be asked and
    does not say; without `private_addresses` nobody in a private network is."""
    if endpoint.provider not in ASKED:
        return list(await asyncio.to_thread(catalogue.models_of, endpoint.provider))
    if endpoint.base_url is None:
        raise errors.ProviderBadRequest(f"{endpoint.provider!r} needs a base_url")
    path = _BELOW.get(endpoint.provider, "/models")
    if not _litellm.is_loaded():  # for its TLS settings
        await asyncio.to_thread(_litellm.preload)
    body = await _get(endpoint.base_url.rstrip("/") + path, endpoint, private_addresses)
    return _names(body)


async def _get(url: str, endpoint: Endpoint, private_addresses: bool) -> bytes:
    pool = session.connections()
    response: aiohttp.ClientResponse | None = None
    secret = endpoint.api_key
    try:
        async with asyncio.timeout(_SECONDS):
            response = await pool.get(
                url,
                {"Authorization": f"Bearer {secret or NO_KEY}"},
                _SECONDS,
                guarded=not private_addresses,
            )
            body = await _read(response)
    except TimeoutError:
        raise errors.ProviderTimeout("no list of models before our deadline") from None
    except Exception as failure:  # noqa: BLE001  the server decides what breaks
        raise network.failure(
            failure, started=response is not None, secret=secret, partial_usage=None
        ) from None
    finally:
        if response is not None:
            response.close()
    if response.status >= 300:
        raise network.refusal(response.status, response.headers, body, secret=secret)
    return body


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while len(body) <= _BYTES and (block := await response.content.readany()):
        body += block
    return bytes(body)


def _names(body: bytes) -> list[str]:
    """Of `{"data": [{"id": …}]}`; what cannot be a model's name is left out."""
    try:
        listed: Any = orjson.loads(body)
        rows = listed["data"]
        names = {row["id"] for row in rows}
        return sorted(name for name in names if _is_name(name))[:_MOST]
    except (ValueError, TypeError, KeyError):
        raise errors.ProviderError("the list of models makes no sense") from None


def _is_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name) <= _LONGEST
        and name.isprintable()
        and " " not in name
    )
