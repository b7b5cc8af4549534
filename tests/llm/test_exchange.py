"""Answers as servers may send them, byte by byte, read on a connection of ours."""

import asyncio
import gzip
import ipaddress
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from llm import errors, exchange, session
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
    answer: bytes,
    seen: list[bytes],
    *,
    step: int = 0,
    tls: ssl.SSLContext | None = None,
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

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@asynccontextmanager
async def tunnelling(tunnels: list[bytes]) -> AsyncIterator[str]:
    """A proxy that knows CONNECT only."""
    ends: list[asyncio.StreamWriter] = []

    async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):  # the last is uvloop's word for closed
            while block := await source.read(4096):
                to.write(block)
        to.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnels.append(await reader.readuntil(b"\r\n\r\n"))
        host, port = tunnels[-1].split()[1].decode().split(":")
        behind, to = await asyncio.open_connection(host, port)
        ends.extend((writer, to))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(copy(reader, to), copy(behind, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for end in ends:
        end.close()
        with suppress(OSError):
            await end.wait_closed()


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ...]:
    """Of a server at 127.0.0.1, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    both = tmp_path_factory.mktemp("tls") / "both.pem"
    format_ = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, format_, serialization.NoEncryption())
    both.write_bytes(private + certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(both)
    return server, ssl.create_default_context(cafile=both)


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
    "long": OK + SIZED % (400_001 + len(BODY)) + b":" * 400_000 + b"\n" + BODY,
    "until-closed": OK + b"\r\n" + BODY,
    "http-1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "announced": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
    b"Link: </a>\r\n\r\n" + OK + SIZED % len(BODY) + BODY,
    "gzip-unasked": OK + b"Content-Encoding: gzip\r\n" + SIZED % len(PACKED) + PACKED,
}


STEPS = {"at-once": 0, "bytewise": 1, "cut": 40}
# The long one byte by byte takes half of all the time there is for a first token.
FRAMED = {f"{a}-{s}": (a, s) for a in WHOLE for s in STEPS}
FRAMED.pop("long-bytewise")


@pytest.mark.parametrize(("name", "cut"), FRAMED.values(), ids=FRAMED)
def test_an_answer_is_whole_however_it_is_framed(name: str, cut: str) -> None:
    answer, step = WHOLE[name], STEPS[cut]

    async def main() -> None:
        client = FastClient()
        async with answering(answer, seen, step=step) as url:
            for _ in range(2):
                assert await texts(client, url) == "ab"
            await client.aclose()

    seen: list[bytes] = []
    asyncio.run(main())
    assert len(seen) == 2


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "by-proxy"])
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_an_encrypted_connection_serves_call_after_call(
    contexts: tuple[ssl.SSLContext, ...],
    run: Callable[[Coroutine[Any, Any, None]], None],
    proxied: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        client = FastClient()
        async with (
            answering(WHOLE["chunked"], seen, step=9, tls=contexts[0]) as url,
            tunnelling(tunnels) as proxy,
        ):
            monkeypatch.setattr(
                session, "proxy_of", lambda _: proxy if proxied else None
            )
            for _ in range(3):
                assert await texts(client, url) == "ab"
            await client.aclose()

    seen: list[bytes] = []
    tunnels: list[bytes] = []
    monkeypatch.setattr(session, "tls_context", lambda: contexts[1])
    run(main())
    assert len(seen) == 3
    assert bool(tunnels) == proxied
    assert all(head.startswith(b"POST /v1/chat/completions HTTP/1.1") for head in seen)


BROKEN = {
    "no-http": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "head-without-end": OK + b"X: " + b"x" * 200_000,
    "trailers-without-end": OK
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    + b"X-Y: z\r\n" * 60_000,
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


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1"])
def test_a_request_is_not_repeated_once_an_answer_has_begun(begun: bytes) -> None:
    """On a kept connection, where one that was closed for being idle is."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length:")[2].split()[0])
                await reader.readexactly(size)
                asked.append(head)
                writer.write(begun if len(asked) == 2 else WHOLE["sized"])
                if len(asked) == 2:
                    break
        writer.close()

    async def main() -> None:
        client = FastClient()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            assert await texts(client, url) == "ab"
            await asyncio.sleep(0.05)
            if begun:
                with pytest.raises(errors.LLMError):
                    await texts(client, url)
            else:
                assert await texts(client, url) == "ab"
            await client.aclose()

    asyncio.run(main())
    assert len(asked) == (2 if begun else 3)


def test_a_connection_that_was_paused_is_read_again_by_the_next_call() -> None:
    """Its last bytes were more than is read ahead, when nobody wanted them any more."""
    first = sse(*AB, done=False)
    rest = b":" * (exchange._AHEAD + 100 - len(BODY)) + b"\n" + BODY
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().partition(b"content-length:")[2].split()[0])
                await reader.readexactly(size)
                asked += 1
                writer.write(OK + SIZED % len(first + rest) + first)
                await asyncio.sleep(0.05)
                writer.write(rest)
        writer.close()

    async def main() -> None:
        client = FastClient()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            for _ in range(3):
                async with asyncio.timeout(20):
                    async with aclosing(client.stream(prompt_for(url))) as events:
                        assert await anext(events) == TextDelta("a")
                        await asyncio.sleep(0.3)
            await client.aclose()

    asyncio.run(main())
    assert asked == 3


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
