"""The application: pages, API and streams by Django, sockets by Channels.

One of the two servers (daphne, uvicorn) imports this; each process then has a runner
of turns of its own.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from channels.routing import ProtocolTypeRouter, URLRouter
from django import setup
from django.core import signals
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections, reset_queries

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
setup(set_prefix=False)

# Both are sync: Django would give every request, every stream too, a thread for
# them. A request's thread is new and so has no old connection to close.
signals.request_started.disconnect(close_old_connections)
signals.request_started.disconnect(reset_queries)

# Django ends a response with response.close() in the request's thread and would
# start one for it: a hundred streams that end together, a hundred threads.
_closing = ThreadPoolExecutor(1, thread_name_prefix="close-stream")


class Handler(ASGIHandler):
    """Lets requests whose views are async share one thread for what little sync work
    Django does around them. They touch no database outside tenants.db.unit."""

    @classmethod
    def chunk_bytes(cls, data: Any) -> Iterator[tuple[Any, bool]]:
        """Without Django's generator for what is one piece anyway, as each token is."""
        if 0 < len(data) <= cls.chunk_size:
            return iter(((data, True),))
        return super().chunk_bytes(data)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and _is_async(scope["path"]):
            async with ThreadSensitiveContext(executor=_closing):
                await self.handle(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _is_async(path: str) -> bool:
    if path.startswith("/api/v1/chat"):
        return path == "/api/v1/chat" or path.endswith(("/stream", "/stop"))
    return path in {"/healthz", "/readyz", "/metrics"}


class Lifespan:
    """Start and end of the process, where the server tells (uvicorn does).

    The start ends when the engine is loaded: uvicorn lets a worker accept nothing
    before, so that no request meets one that is not ready while another is.
    """

    def __init__(self, warming: Future[None]) -> None:
        self.warming = warming

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from chat.turns.background import get_background
        from config import metrics
        from llm import close_connections

        background = get_background()
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                metrics.begin()
                await background.start()
                await asyncio.wrap_future(self.warming)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await background.stop()
                await close_connections()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _warm_up() -> None:
    """Load the engine; then tell the garbage collector that what there is now stays.

    Half of a busy process's time went into looking through LiteLLM's million objects
    and the events of live turns again and again. Reference counts free nearly all of
    ours; cycles may wait a little longer.
    """
    from llm import preload

    preload()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


# Seconds a thread may keep the interpreter while the event loop wants it. Database
# threads compute too, and Python's own 5 ms add up to a late token for every stream.
_SWITCH_INTERVAL = 0.0005


def build() -> ProtocolTypeRouter:
    """The application; also starts loading the engine, which takes seconds."""
    from chat.routing import websocket_urlpatterns
    from tenants.asgi import SocketTenantMiddleware

    sys.setswitchinterval(_SWITCH_INTERVAL)
    loader = ThreadPoolExecutor(1, thread_name_prefix="warm-up")
    warming = loader.submit(_warm_up)
    loader.shutdown(wait=False)  # the thread ends with its work
    return ProtocolTypeRouter(
        {
            "http": Handler(),
            "websocket": SocketTenantMiddleware(URLRouter(websocket_urlpatterns)),
            "lifespan": Lifespan(warming),
        }
    )


application = build()
