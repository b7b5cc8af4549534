"""A request and its answer, on a connection of aiohttp's pool.

aiohttp finds the address, connects, encrypts, goes through proxies and keeps what can
be used again. What it does with each piece of an answer costs more than all that we do
with it, so that from the request on the connection is ours; httptools takes the answer
apart.
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import aiohttp
import httptools
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict, istr

# Bytes of a head, and of a body that nobody has taken yet.
_HEAD: Final = 128 * 1024
_AHEAD: Final = 256 * 1024
# Bytes that what is not taken yet of a compressed answer may become.
_INFLATED: Final = 16 * 1024 * 1024
_PACKED: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits


class Exchange(asyncio.Protocol):
    """Takes the connection over until it is left. `ended` is called once that is done.

    `status` and `headers` are those of the answer once `started` has returned;
    `complete` says that its body has ended properly.
    """

    def __init__(self, connection: Connection, ended: Callable[["Exchange"], None]):
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.complete = False
        self._connection = connection
        self._ended = ended
        self._handler = cast(ResponseHandler, connection.protocol)
        self._transport = cast(asyncio.Transport, connection.transport)
        # Given up at the end, since it refers to us.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._blocks: list[bytes] = []
        self._size = 0
        # Bytes since the last ones of a body, and whether there were any at all.
        self._bare = 0
        self._heard = False
        self._paused = False
        self._error: Exception | None = None
        self._inflate: Any = None
        self._may_stay = False
        self._left = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport.set_protocol(self)

    def send(self, line: str, headers: Mapping[str, str], body: bytes) -> None:
        """Raises ValueError for a header that would be two."""
        lines = [line, *(f"{name}: {value}" for name, value in headers.items())]
        if any("\r" in one or "\n" in one for one in lines):
            raise ValueError("a line break in a header")
        self._transport.write("\r\n".join((*lines, "\r\n")).encode())
        self._transport.write(body)

    async def started(self) -> None:
        """Returns when the answer's head is here. Raises aiohttp's errors."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._news()

    async def read(self) -> bytes:
        """What has come since the last call, waiting for some; b"" at the end. Raises
        aiohttp's errors, after what had come before."""
        while not self._blocks:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            await self._news()
        blocks = self._blocks
        if len(blocks) == 1:
            block = blocks.pop()
        else:
            block = b"".join(blocks)
            blocks.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return block

    def fail(self, error: Exception) -> None:
        """Make the reader raise this, now."""
        self._blocks.clear()
        self._error = error
        self._wake()

    def leave(self, *, linger: float = 0.0) -> None:
        """Be done with the answer; never waits.

        The rest of it may still come for `linger` seconds, so that the connection can
        be used again; otherwise it is closed, which ends the provider's work.
        """
        if self._left:
            return
        self._left = True
        if self.complete or not linger or self._error is not None:
            self._give_back()
        else:
            self._timer = self._loop.call_later(linger, self._give_back)
            if self._paused:
                self._transport.resume_reading()

    def _give_back(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._parser is None:
            return
        self._parser = None
        transport = self._transport
        sent = not transport.get_write_buffer_size()
        if self.complete and self._may_stay and sent and not transport.is_closing():
            if self._paused:
                transport.resume_reading()
            transport.set_protocol(self._handler)
            self._connection.release()
        else:
            # Closing would wait for what the other side may never read.
            transport.abort()
            self._connection.close()
        self._ended(self)

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _break(self, error: Exception) -> None:
        if self._error is None and not self.complete:
            self._error = error
        self._may_stay = False
        if self._left:
            self._give_back()

    # ------------------------------------------------- what the event loop calls

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            return
        self._heard = True
        self._bare += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            cause = error.__context__
            self._break(
                cause
                if isinstance(cause, aiohttp.ClientError)
                else aiohttp.ClientPayloadError(f"no HTTP: {error}")
            )
        # Of the head, of trailers, of what frames the body: more than there is of it.
        if self._bare > _HEAD:
            self._break(aiohttp.ClientPayloadError("headers without end"))
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if self.status and not error and self._lasts_until_closed():
            self.complete = True
        elif self.status or self._heard:
            self._break(aiohttp.ClientPayloadError("the answer was cut off"))
        elif isinstance(error, OSError):
            self._break(aiohttp.ClientOSError(*error.args))
        else:
            self._break(aiohttp.ServerDisconnectedError())
        self._may_stay = False
        # Who closes the pool waits for this one to hear of it.
        self._handler.connection_lost(error)
        if self._left:
            self._give_back()
        self._wake()

    def _lasts_until_closed(self) -> bool:
        return not (
            "Content-Length" in self.headers or "Transfer-Encoding" in self.headers
        )

    # ------------------------------------------------------ what the parser calls

    def on_message_begin(self) -> None:
        if self.complete:  # what nobody asked for
            self._may_stay = False
        else:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # not of trailers
            key = istr(name.decode("utf-8", "surrogateescape"))
            self.headers.add(key, value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self.complete:  # 100 and 103 announce the answer
            return
        packing = self.headers.get("Content-Encoding", "identity").strip().lower()
        if packing in _PACKED:  # though we asked for none
            self._inflate = zlib.decompressobj(_PACKED[packing])
        elif packing != "identity":
            raise aiohttp.ClientPayloadError(f"packed as {packing}, unasked")
        self.status = status

    def on_body(self, block: bytes) -> None:
        self._bare = 0
        if self._left or self.complete:
            return
        if self._inflate is not None:
            block = self._inflated(block)
            if not block:
                return
        self._blocks.append(block)
        self._size += len(block)
        if self._size > _AHEAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if not self.status or self._parser is None:
            return
        if not self.complete:
            self.complete = True
            self._may_stay = self._parser.should_keep_alive()
        if self._left:
            # Not while the parser is at work.
            self._loop.call_soon(self._give_back)

    def _inflated(self, block: bytes) -> bytes:
        try:
            room = max(1, _INFLATED - self._size)
            found: bytes = self._inflate.decompress(block, room)
        except zlib.error as error:
            raise aiohttp.ClientPayloadError(f"not packed as told: {error}") from None
        if self._inflate.unconsumed_tail:
            raise aiohttp.ClientPayloadError("unpacked it is too long")
        return found
