"""A stand-in for a model provider: a real HTTP server that speaks OpenAI's API.

In a test: `with Provider() as provider:` and `provider.enqueue(Answer(...))`; requests
without a queued answer are answered by model name (`answer_for`). For a bench it runs
alone: `python -m tests.provider --port 9000`.
"""

import argparse
import asyncio
import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from tests.provider_answers import SECRET_MARKER, Answer, answer_for
from tests.provider_connection import Closed, Connection, Request

__all__ = ["SECRET_MARKER", "Answer", "Closed", "Provider", "Request", "answer_for"]


class Provider:
    """The server, on a loopback port of its own, in a thread of its own.

    `requests` lists what arrived; `on_request` is called with each, before its answer.
    Everything public may be used from any thread.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.on_request: Callable[[Request], None] | None = None
        self.chunks_sent = 0
        self.open_streams = 0
        self.max_open_streams = 0
        self._port = port
        self._queue: deque[Answer] = deque()
        self._by_model: dict[str, Answer] = {}
        self._held: set[str] = set()
        self._connections: set[asyncio.Transport] = set()
        self._closes: deque[Closed] = deque()
        self._changed = threading.Condition()
        self._started = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def enqueue(self, *answers: Answer) -> None:
        """Answers for the next requests, in order, whatever their model."""
        with self._changed:
            self._queue.extend(answers)

    def on(self, model: str, answer: Answer) -> None:
        """Always answer this model so (unless something is queued)."""
        with self._changed:
            self._by_model[model] = answer

    def hold(self, path: str) -> None:
        self._held.add(path)  # never answered

    def wait_closed(self, timeout: float = 30.0) -> Closed:
        """Block until a client has closed a connection in mid-answer; consumes it."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closes, timeout):
                raise TimeoutError("no client closed its connection")
            return self._closes.popleft()

    def wait_requests(self, count: int = 1, timeout: float = 30.0) -> None:
        """Block until that many requests have arrived in all."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests arrived")

    def let_go(self) -> None:
        """All answers that are `held_after` some pieces, and those to come."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def let_one(self) -> None:
        """One more piece of answers that are `stepped`."""
        self._loop.call_soon_threadsafe(self._steps.release)

    def stats(self) -> dict[str, int]:
        return {
            "requests": len(self.requests),
            "chunks": self.chunks_sent,
            "open": self.open_streams,
            "max_open": self.max_open_streams,
        }

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve_all()), name="provider", daemon=True
        )
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the stand-in provider did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    async def _serve_all(self) -> None:
        """Listen until the `with` block ends."""
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._gate = asyncio.Event()
        self._steps = asyncio.Semaphore(0)
        server = await self._loop.create_server(
            lambda: Connection(self), "127.0.0.1", self._port, backlog=4096
        )
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        try:
            await self._stopping.wait()
        finally:
            for place in server.sockets:  # which accepts no more
                self._loop.remove_reader(place.fileno())
            for _ in range(4):  # what was accepted gets its transport first
                await asyncio.sleep(0)
                for connection in list(self._connections):
                    connection.abort()
            server.close()
            await asyncio.sleep(0)  # lets their transports go

    def _note_request(self, request: Request) -> None:
        if self.on_request is not None:
            self.on_request(request)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def _note_closed(self, closed: Closed) -> None:
        with self._changed:
            self._closes.append(closed)
            self._changed.notify_all()

    def _take(self, body: Mapping[str, Any]) -> Answer:
        model = str(body.get("model"))
        with self._changed:
            if self._queue:
                return self._queue.popleft()
            return self._by_model.get(model) or answer_for(model)

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        self.open_streams += 1
        self.max_open_streams = max(self.max_open_streams, self.open_streams)
        try:
            yield
        finally:
            self.open_streams -= 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    provider = Provider(parser.parse_args().port)

    with provider, contextlib.suppress(KeyboardInterrupt):
        sys.stdout.write(f"{provider.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
