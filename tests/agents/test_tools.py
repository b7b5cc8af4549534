"""The built in tools, each by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from agents.tools.base import Tool, ToolContext, ToolError
from agents.tools.calculator import calculate
from agents.tools.fetch_page import FETCH_PAGE
from agents.tools.readable import readable
from agents.tools.running import OUTPUT_BYTES, call, limited, read_arguments
from llm import session
from tenants.db import PUBLIC
from tests.llm.playback import Playback, Tape

CONTEXT = ToolContext(PUBLIC, 1)
HTML = "text/html; charset=utf-8"


def use(tool: Tool, **arguments: Any) -> str:
    async def run() -> str:
        try:
            return await call(tool, CONTEXT, arguments)
        finally:
            await session.close_connections()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", "14"),
        ("0.1 + 0.2", "0.3"),
        ("2 ^ 10", "1024"),
        ("-(7 // 2) % 5", "2"),
        ("round(sqrt(2), 3)", "1.414"),
        ("max(1, 2.5, factorial(4))", "24"),
        ("2 ** 1000 % 7", "2"),
    ],
)
def test_the_calculator_calculates(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        *("", "1 +", "1; 2", "'a' * 10", "a", "True + 1", "1j", "(-8) ** 0.5"),
        *("__import__('os').getcwd()", "(1).__class__", "[1][0]", "lambda: 1"),
        *("9 ** 9 ** 9", "2 ** 10 ** 10", "factorial(10 ** 9)", "1e308 * 10"),
        *("factorial(factorial(20))", "sqrt(-1)", "1 / 0"),
        *("(" * 300 + ")" * 300, "9" * 600, "round(1e300, 10 ** 9)" * 2),
        *("f'{1}'", "max()", "min(1, key=abs)", "gcd(1.5, 2)", "1 if 1 else 2"),
    ],
)
def test_the_calculator_refuses_all_else_at_once(expression: str) -> None:
    with pytest.raises(ToolError):
        calculate(expression)


def test_arguments_keep_nothing_that_a_reader_would_refuse() -> None:
    assert read_arguments('{"a": [1, "é"]}') == {"a": [1, "é"]}
    for hostile in (
        *('{"__proto__": 1}', '{"a": [{"constructor": {}}]}', '{"a": NaN}'),
        *(
            '{"a": 1e30}',
            '{"a": 1e999}',
            '"\\u0000"',
            '"\\ud800"',
            "{" * 10_000,
            "\x00",
        ),
    ):
        kept = read_arguments(hostile)
        assert isinstance(kept, str)
        assert "\x00" not in kept


def test_outputs_are_cut_between_characters() -> None:
    assert limited("a\x00b\x1b[0m\r\n\ud800\tc") == "ab[0m\n?\tc"
    for piece in ("x", "é", "😀"):
        cut = limited(piece * 10_000_000)
        assert OUTPUT_BYTES - 4 <= len(cut.encode()) <= OUTPUT_BYTES


def test_a_page_is_read_as_text() -> None:
    page = (
        "<head><title>A  page</title><style>b{}</style></head><body><nav>Menu</nav>"
        "<h1>Plums</h1><p>are <b>blue</b>&amp;round.</p><script>alert(1)</script>"
        "<ul><li>one<li>two</ul>"
    )
    text = "A page\n\nPlums\n\nare blue&round.\n\none\ntwo"
    assert readable(page) == text
    moved = Tape(status=302, headers=("Location: /elsewhere",))
    with Playback(moved, Tape([page.encode()], content_type=HTML)) as server:
        assert use(FETCH_PAGE, url=server.url) == text
        assert server.paths == ["/v1", "/elsewhere"]


@pytest.mark.parametrize(
    ("tape", "told"),
    [
        (Tape(status=302, headers=("Location: /v1",)), "more than 3 times"),
        (Tape(status=302, headers=("Location: file:///etc/passwd",)), "http://"),
        (Tape(status=500), "answered 500"),
        (Tape([b"\x89PNG"], content_type="image/png"), "no page"),
        (Tape(end="drop"), "cannot be reached"),
    ],
)
def test_a_page_that_cannot_be_read_is_told_in_words(tape: Tape, told: str) -> None:
    with Playback(tape) as server, pytest.raises(ToolError, match=told):
        use(FETCH_PAGE, url=server.url)


HOSTILE = (
    *("<svg>" * 100_000 + "</p>" * 100_000, "<" * 500_000, "<!--" * 250_000),
    *("<a " * 300_000, "</" * 400_000, "<a '>" * 200_000, '<a "' * 200_000 + ">"),
    *("<textarea>" + "</t" * 300_000, "<title></title" * 60_000, "<?" * 500_000),
    *("&#" + "9" * 900_000, "<nav><svg></nav>" * 60_000, "<![CDATA[" * 100_000),
)


@pytest.mark.parametrize("page", HOSTILE, ids=[page[:12] for page in HOSTILE])
def test_no_markup_keeps_the_server_busy(page: str) -> None:
    """A reader whose time grows with the square of a page would not come back."""
    readable(page)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ('<p title="a > b">one</p>two', "one\ntwo"),
        ("a < b <3 <!-- c --> d <!doctype e> f", "a < b <3 d f"),
        ("<head><body>open head", "open head"),
        ("<SCRIPT>1</sCript >x<style>y", "x"),
        ("<svg><title>no</title>no</svg>yes", "yes"),
        ("<textarea>&lt;b></textarea>", "<b>"),
        ("<template>a<template>b</template>c</template>d", "d"),
        ("&amp;&nbsp;&#228;&#x110000;&unknown;", "& ä\ufffd&unknown;"),
        ("<p", ""),
    ],
)
def test_markup_is_read_as_browsers_do(page: str, text: str) -> None:
    assert readable(page) == text


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        *(("iso-8859-1", "Ã¼"), ("utf-8", "ü"), ("punycode", "ü"), ("rot13", "ü")),
        *(("none", "ü"), ("zlib", "ü"), ("utf-7", "ü")),
    ],
)
def test_only_the_encodings_of_pages_are_read(charset: str, text: str) -> None:
    kind = f"text/plain; charset={charset}"
    with Playback(Tape(["ü".encode()], content_type=kind)) as server:
        assert use(FETCH_PAGE, url=server.url) == text


def test_a_page_is_read_to_a_limit() -> None:
    endless = Tape([b"word " * 20_000] * 100, content_type="text/plain", end="hold")
    with Playback(endless) as server:
        assert len(use(FETCH_PAGE, url=server.url)) <= OUTPUT_BYTES


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://0:{port}/"),
        *("http://[::1]/", "http://[::ffff:127.0.0.1]:{port}/", "http://2130706433/"),
        *("http://169.254.169.254/latest/", "http://10.0.0.1/", "http://a@1.1.1.1/"),
        *("ftp://1.1.1.1/", "gopher://1.1.1.1", "javascript:alert(1)", "//x", "x"),
    ],
)
def test_no_page_of_a_private_network_is_fetched(url: str, settings: Settings) -> None:
    settings.ALLOW_PRIVATE_ADDRESSES = False
    with Playback(Tape([b"secret"], content_type=HTML)) as server:
        port = server.url.split(":")[2].split("/")[0]
        with pytest.raises(ToolError):
            use(FETCH_PAGE, url=url.format(port=port))
        assert server.connections == 0


def test_a_redirect_into_a_private_network_is_not_followed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page itself is on the public internet, as far as these checks can tell."""
    settings.ALLOW_PRIVATE_ADDRESSES = False

    def is_public(address: str) -> bool:
        return address == "127.0.0.1"

    monkeypatch.setattr("agents.addresses.is_public", is_public)
    monkeypatch.setattr("llm.addresses.is_public", is_public)
    inner = Tape(status=302, headers=("Location: http://10.0.0.1/",))
    with Playback(inner) as server, pytest.raises(ToolError, match="private networks"):
        use(FETCH_PAGE, url=server.url)
