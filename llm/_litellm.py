"""The one door to LiteLLM: its process settings, its late import, its tables.

Importing litellm takes about 3 s of CPU and 160 MB, so it happens in `load()` and not
with this module. LiteLLM's types are loose; what leaves here is typed.
"""

import asyncio
import copy
import importlib
import logging
import os
import threading
from collections.abc import Mapping
from typing import Any, Final

from llm import _clients

# Read by litellm at its import: its bundled price list and no download of another one;
# no .env file of the working directory; no tokenizer from the Hugging Face hub (each
# look-up blocks for some 20 s without a network); no end of a stream because the
# model repeats itself; nothing on stderr.
_ENVIRONMENT: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
    "HF_HUB_OFFLINE": "1",
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000000",
    # llm._clients checks the addresses of aiohttp's connections only.
    "DISABLE_AIOHTTP_TRANSPORT": "False",
    "LITELLM_HTTP2": "False",
}
# Removed before litellm can read them: it or the SDKs below it send these along with a
# tenant's key, or instead of it.
_NOT_FOR_TENANTS: Final = (
    "OPENAI_ORGANIZATION",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_CUSTOM_HEADERS",
    "AZURE_AD_TOKEN",
    "AZURE_OPENAI_AD_TOKEN",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
)
# These write prompts at DEBUG and provider answers at ERROR.
_SILENCED: Final = (
    "LiteLLM",
    "LiteLLM Router",
    "LiteLLM Proxy",
    "LiteLLM Proxy.stdout",
)
# These write request addresses at INFO (Gemini's carries the key) and bodies at DEBUG.
_QUIETED: Final = ("httpx", "httpcore", "openai", "aiohttp")

_lock: Final = threading.RLock()
_module: Any = None
_warm = False


def load() -> Any:
    """The configured litellm module; the first call takes seconds. Thread-safe."""
    global _module
    if _module is None:
        with _lock:
            if _module is None:
                _module = _import()
    return _module


def is_loaded() -> bool:
    return _module is not None


def preload() -> None:
    """Pay litellm's costs now: import, and the lazy imports of a first call.

    Meant for a thread at the start of a server; some 4 s of CPU. Needs no network.
    Thread-safe; a second call costs nothing.
    """
    global _warm
    litellm = load()
    with _lock:
        if _warm:
            return
        _warm = True
        stream = litellm.completion(
            model="openai/gpt-4o-mini",
            messages=[{"role": "user", "content": "warm up"}],
            mock_response="warm",
            stream=True,
            api_key="none",
        )
        for _chunk in stream:
            pass
        token_count("warm up", "gpt-4o-mini")


def _import() -> Any:
    os.environ.update(_ENVIRONMENT)
    for name in _NOT_FOR_TENANTS:
        os.environ.pop(name, None)
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    litellm.turn_off_message_logging = True
    litellm.disable_streaming_logging = True
    litellm.drop_params = True
    for name in ("callbacks", "success_callback", "failure_callback"):
        setattr(litellm, name, [])
    # A tenant's call must not fall back on the operator's keys.
    for name in ("api_key", "openai_key", "organization"):
        setattr(litellm, name, None)
    for name in _SILENCED:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
    for name in _QUIETED:
        logging.getLogger(name).setLevel(logging.WARNING)
    _unhang_filters()
    _clients.restrict()
    return litellm


def _unhang_filters() -> None:
    """LiteLLM rewrites the lines of uvicorn's and asyncio's loggers too: not here."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] in {"uvicorn", "gunicorn", "asyncio"} and isinstance(
            logger, logging.Logger
        ):
            for added in list(logger.filters):
                if type(added).__module__.startswith("litellm"):
                    logger.removeFilter(added)


async def close_connections() -> None:
    """Close the HTTP clients that litellm keeps for the running event loop."""
    if _module is None:
        return
    kept = _module.in_memory_llm_clients_cache
    suffix = f"-{id(asyncio.get_running_loop())}"
    clients = [kept.cache_dict[key] for key in kept.cache_dict if key.endswith(suffix)]
    for key in [key for key in kept.cache_dict if key.endswith(suffix)]:
        del kept.cache_dict[key]
        kept.ttl_dict.pop(key, None)
    # Made when first needed (for anthropic and gemini), and again after this.
    shared = vars(_module).pop("module_level_aclient", None)
    if shared is not None:
        clients.append(shared)
    for client in clients:
        close = getattr(client, "aclose", None) or getattr(client, "close", None)
        if close is not None:
            await close()


def cost_map() -> Mapping[str, Mapping[str, object]]:
    """LiteLLM's table of models, by `<model>` or `<provider>/<model>`; read only."""
    table: Mapping[str, Mapping[str, object]] = load().model_cost
    return table


def token_count(text: str, model: str) -> int:
    """Tokens of `text` by the tokenizer bundled for `model` (or the nearest one)."""
    count: int = load().token_counter(model=model, text=text)
    return count


def supported_parameters(provider: str, model: str) -> frozenset[str] | None:
    """What the provider's config maps for this model, None if there is none."""
    try:
        names = load().get_supported_openai_params(
            model=model, custom_llm_provider=provider
        )
    except Exception:  # noqa: BLE001  LiteLLM raises anything for a model it dislikes
        return None
    return None if names is None else frozenset(names)


def dropped_parameters(
    provider: str, model: str, parameters: Mapping[str, Any]
) -> frozenset[str]:
    """Those that the provider's config leaves out for this model, or cannot map, with
    the values they have. About 0.2 ms for each."""
    load()
    utils: Any = importlib.import_module("litellm.utils")

    def mapped(given: Mapping[str, Any]) -> Any:
        try:
            return utils.get_optional_params(
                model=model,
                custom_llm_provider=provider,
                messages=[{"role": "user", "content": "Hi"}],
                stream=True,
                drop_params=True,
                **copy.deepcopy(dict(given)),
            )
        except Exception:  # noqa: BLE001  LiteLLM raises anything
            return None

    nothing = mapped({})
    if nothing is None:  # not even what is known to be taken
        return frozenset()
    return frozenset(
        name
        for name, value in parameters.items()
        if mapped({name: value}) in (None, nothing)
    )
