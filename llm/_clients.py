"""What LiteLLM's HTTP clients may not do: follow a redirect, or leave for a private
network while `llm.addresses.guarded` is set.

LiteLLM has no setting for either, so its makers of clients are wrapped (read in
1.106.2); a release that renames them fails at the import.
"""

import importlib
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any

from llm.addresses import AddressInfo, guarded, require_public


def restrict() -> None:
    """Wrap LiteLLM's makers of clients; once, before any client is made."""
    handlers: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    openai: Any = importlib.import_module("litellm.llms.openai.common_utils")
    for owner in (handlers.AsyncHTTPHandler, handlers.HTTPHandler):
        owner.create_client = _without_redirects(owner.create_client)
    sdk = openai.BaseOpenAILLM
    for name in ("_get_async_http_client", "_get_sync_http_client"):
        setattr(sdk, name, staticmethod(_without_redirects(getattr(sdk, name))))
    handlers.build_aiohttp_keepalive_socket_factory = _checking(
        handlers.build_aiohttp_keepalive_socket_factory
    )


def _without_redirects(make: Callable[..., Any]) -> Callable[..., Any]:
    """A redirect would hand key and prompt to whatever machine the answer names."""

    @wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        client = make(*args, **kwargs)
        client.follow_redirects = False
        return client

    return made


def _checking(build: Callable[[], Any]) -> Callable[[], Any]:
    """LiteLLM's factory of sockets (None where it has none), after a check."""

    def built() -> Callable[[AddressInfo], socket.socket]:
        usual = build()

        def factory(info: AddressInfo) -> socket.socket:
            if guarded.get():
                require_public(info)
            if usual is None:
                return socket.socket(info[0], info[1], info[2])
            made: socket.socket = usual(info)
            return made

        return factory

    return built
