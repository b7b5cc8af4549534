"""Answers as servers may send them, byte by byte, read on a connection of ours."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm import errors, session
from llm.client import Endpoint, Prompt
from llm.events import Finished, TextDelta
from llm.fast import FastClient
from tests.llm.streams.openai import AB, STOP, counted
from tests.llm.streams.recording import sse

BODY = sse(*AB, STOP, counted())
SSE = b"Content-Type: text/event-stream\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + SSE
SIZED = b"Content-Length: %d\r\n\r\n"


def chunked(body: bytes, size: int) -> bytes:
    blocks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;n=1\r\n%s\r\n" % (len(b), b) for b in blocks) + b"0\r\n"


@asynccontextmanager
async def answering(
    answer: bytes, seen: list[bytes], *, step: int = 0
) -> AsyncIterator[str]:
    """A server that answers everything so and keeps its connections open, but for an
    answer without a length; `step` bytes at a time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().partition(b"content-length:")[2].split()[0])
                seen.append(head + await reader.readexactly(size))
                for at in range(0, len(answer), step or len(answer)):
                    writer.write(answer[at : at + (step or len(answer))])
                    await writer.drain()
                    if step:
                        await asyncio.sleep(0)
                if not any(word in answer for word in (b"Length", b"Encoding: ch")):
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def prompt_for(url: str, key: str = "sk-none") -> Prompt:
    messages = [{"role": "user", "content": "Hi"}]
    return Prompt(Endpoint("openai_compatible", key, url), "some-model", messages)


async def texts(client: FastClient, url: str) -> str:
    events = [event async for event in client.stream(prompt_for(url))]
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


PACKED = gzip.compress(BODY)
WHOLE = {
    "sized": OK + SIZED % len(BODY) + BODY,
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY, 7) + b"\r\n",
    "trailers": OK
    + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    + chunked(BODY, 50)
    + b"X-T: 1\r\n\r\n",
    "until-closed": OK + b"\r\n" + BODY,
    "http-1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "announced": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
    b"Link: </a>\r\n\r\n" + OK + SIZED % len(BODY) + BODY,
    "gzip-unasked": OK + b"Content-Encoding: gzip\r\n" + SIZED % len(PACKED) + PACKED,
}


@pytest.mark.parametrize("step", [0, 1, 40], ids=["at-once", "bytewise", "cut"])
@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
def test_an_answer_is_whole_however_it_is_framed(answer: bytes, step: int) -> None:
    async def main() -> None:
        client = FastClient()
        async with answering(answer, seen, step=step) as url:
            for _ in range(2):
                assert await texts(client, url) == "ab"
            await client.aclose()

    seen: list[bytes] = []
    asyncio.run(main())
    assert len(seen) == 2


BROKEN = {
    "no-http": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "head-without-end": OK + b"X: " + b"x" * 200_000,
    "many-headers": OK + b"X-Y: z\r\n" * 30_000,
    "unknown-packing": OK + b"Content-Encoding: br\r\n" + SIZED % 3 + b"abc",
    "not-packed-as-told": OK + b"Content-Encoding: gzip\r\n" + SIZED % 3 + b"abc",
    "bomb": OK
    + b"Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(zlib.compress(b"data: " + b" " * 40_000_000), 10_000_000),
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
    b"Connection: upgrade\r\n\r\nabc",
    "bad-chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_none_fails_and_its_connection_is_closed(
    answer: bytes,
) -> None:
    async def main() -> None:
        client = FastClient()
        async with answering(answer, []) as url:
            with pytest.raises(errors.LLMError):
                async with asyncio.timeout(20):
                    await texts(client, url)
            assert session.connections().open == 0
            await client.aclose()

    asyncio.run(main())


def test_what_follows_an_answer_unasked_spoils_the_connection() -> None:
    answer = OK + SIZED % len(BODY) + BODY + OK + SIZED % 2 + b"{}"
    heads: list[bytes] = []

    async def main() -> None:
        client = FastClient()
        async with answering(answer, heads) as url:
            for _ in range(3):
                assert await texts(client, url) == "ab"
            await client.aclose()

    asyncio.run(main())
    assert len(heads) == 3


def test_a_key_cannot_bring_a_header_of_its_own() -> None:
    seen: list[bytes] = []

    async def main() -> None:
        client = FastClient()
        async with answering(WHOLE["sized"], seen) as url:
            with pytest.raises(errors.LLMError):
                prompt = prompt_for(url, "sk-a\r\nX-Injected: 1")
                [event async for event in client.stream(prompt)]
            assert await texts(client, url) == "ab"
            await client.aclose()

    asyncio.run(main())
    assert b"X-Injected" not in b"".join(seen)


def test_a_long_request_arrives_as_it_was() -> None:
    seen: list[bytes] = []
    text = "ä🙂" * 1_000_000

    async def main() -> None:
        client = FastClient()
        async with answering(WHOLE["chunked"], seen) as url:
            prompt = prompt_for(url)
            long = [{"role": "user", "content": text}]
            asked = Prompt(prompt.endpoint, prompt.model, long)
            events = [event async for event in client.stream(asked)]
            assert isinstance(events[-1], Finished)
            await client.aclose()

    asyncio.run(main())
    assert text in seen[0].decode()
