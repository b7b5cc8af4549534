"""The web server in a process of its own: daphne alone, or uvicorn with workers.

The launcher's child. It watches its standard input, which closes when the launcher
ends in whatever way, and then stops too: gracefully first, by force after a while.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from config import env

HOST = "127.0.0.1"
PORT = 8000
# Stopping: requests get a while to end (uvicorn cuts them then), after which the
# application ends its turns, for which chat.turns.runner has limits of its own.
REQUEST_SECONDS = 5
STOP_SECONDS = 20
_LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
_APPLICATION = "config.asgi:application"


def host() -> str:
    return env.text("BIND") or HOST


def port() -> int:
    return env.integer("PORT", PORT, minimum=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config.web")
    parser.add_argument("--workers", type=int, default=0, help="0: one daphne process")
    workers = parser.parse_args().workers
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    with _prepared():
        if workers:
            serve_uvicorn(workers)
        else:
            serve_daphne()


@contextlib.contextmanager
def _prepared() -> Iterator[None]:
    """What the workers inherit, and logs in one format from the first line on."""
    # Here, since the launcher imports this module and needs no Django.
    from django.conf import settings

    from config.logging import configure
    from config.metrics_folder import shared_metrics

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    configure(settings.LOGGING)
    with shared_metrics(settings.DATA_DIR, port()):
        yield


def serve_uvicorn(workers: int) -> None:
    import uvicorn  # not for the launcher, which reads host and port here

    if workers > 1:
        # That a worker died or came is said by their parent, and only at this level.
        logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    uvicorn.run(
        _APPLICATION,
        host=host(),
        port=port(),
        workers=workers,
        lifespan="on",
        access_log=False,
        log_config=None,  # the application's own logging
        timeout_graceful_shutdown=REQUEST_SECONDS,
    )


def serve_daphne() -> None:
    """Daphne, to which is added what it lacks: the application's lifespan.

    Without it the turns of this process would die with it, unsaved, at each Ctrl-C.
    """
    # Here, since it installs Twisted's reactor, which uvicorn's workers must not.
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server, twisted_loop
    from twisted.internet.defer import Deferred

    module, _, name = _APPLICATION.partition(":")
    application = getattr(importlib.import_module(module), name)
    messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    class LifespanServer(Server):  # type: ignore[misc]  # untyped package
        def kill_all_applications(self) -> Deferred[Any]:
            """Called as the reactor stops, and waited for: the application first."""
            messages.put_nowait({"type": "lifespan.shutdown"})
            ending = asyncio.wait({lifespan}, timeout=STOP_SECONDS)
            ended = Deferred.fromFuture(asyncio.ensure_future(ending))
            kill = super().kill_all_applications
            return ended.addCallback(lambda _: kill())

        def note_end(self, lifespan: asyncio.Task[None]) -> None:
            if not lifespan.cancelled() and (error := lifespan.exception()):
                logging.getLogger(__name__).error(
                    "The application failed.", exc_info=error
                )
                self.stop()

    server = LifespanServer(
        application,
        endpoints=build_endpoint_description_strings(host=host(), port=port()),
    )
    messages.put_nowait({"type": "lifespan.startup"})
    lifespan = twisted_loop.create_task(application(_LIFESPAN, messages.get, _unheard))
    lifespan.add_done_callback(server.note_end)
    server.run()


async def _unheard(message: dict[str, str]) -> None:
    """Daphne listens from the start on; /readyz tells when the application is ready."""


def _end_with_launcher() -> None:
    """Blocks until the launcher is gone, however it went, then ends this process."""
    while os.read(0, 64):  # not sys.stdin, whose lock a thread must not hold at exit
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
