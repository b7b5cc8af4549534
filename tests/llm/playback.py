"""A server that answers any request with the bytes it was given, cut as it was told."""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Tape:
    """One answer. After its blocks the body ends properly, or the connection is closed
    in mid-body, or nothing follows. `drop` closes it before any byte of an answer."""

    blocks: Sequence[bytes] = ()
    status: int = 200
    headers: Sequence[str] = ()
    content_type: str = "text/event-stream"
    end: Literal["clean", "cut", "hold", "drop"] = "clean"
    pause: float = 0.0


class Playback:
    """The server, on a loopback port of its own, in a thread of its own.

    `paths` lists what was asked for, `connections` counts them, `heads` are the raw
    heads of requests. A last tape is played again and again.
    """

    def __init__(self, *tapes: Tape) -> None:
        self.paths: list[str] = []
        self.heads: list[str] = []
        self.connections = 0
        self._tapes = deque(tapes)
        self._started = threading.Event()
        self._gone = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def wait_gone(self) -> bool:
        """Whether a client closes its connection while an answer is held."""
        return self._gone.wait(60)

    def close_idle(self) -> None:
        """Close all connections now; returns when that is done."""
        asyncio.run_coroutine_threadsafe(self._close_all(), self._loop).result(5)

    async def _close_all(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**26)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        for place in server.sockets:  # which accepts no more
            self._loop.remove_reader(place.fileno())
        for _ in range(5):  # what was accepted gets its transport and its task first
            await asyncio.sleep(0)
            await self._close_all()
        server.close()
        await asyncio.sleep(0)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except ConnectionError:  # closed with bytes unread
            self._gone.set()
        except asyncio.IncompleteReadError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        for line in head.lower().split("\r\n"):
            if line.startswith("content-length:"):
                await reader.readexactly(int(line.partition(":")[2]))
        self.heads.append(head)
        self.paths.append(head.split(" ")[1])
        tape = self._tapes.popleft() if len(self._tapes) > 1 else self._tapes[0]
        if tape.end == "drop":
            return False
        extra = "".join(f"{line}\r\n" for line in tape.headers)
        writer.write(
            f"HTTP/1.1 {tape.status} Played\r\nContent-Type: {tape.content_type}\r\n"
            f"Transfer-Encoding: chunked\r\n{extra}\r\n".encode()
        )
        for block in tape.blocks:
            writer.write(b"%x\r\n%s\r\n" % (len(block), block))
            await writer.drain()
            if tape.pause:
                await asyncio.sleep(tape.pause)
        if tape.end == "clean":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        elif tape.end == "hold":
            if not await reader.read(1):
                self._gone.set()
            return False
        return tape.end == "clean"
