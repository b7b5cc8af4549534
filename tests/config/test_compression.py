"""What is compressed on its way, and what browsers may keep. That streams are not, all
tests of streams see: they read the bytes as they come."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from config import statics
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.servers import LiveServer, session_cookie

SCRIPT = "js/chat/page.js"
PLAIN = {"Accept-Encoding": "identity"}


def raw(client: httpx.Client, path: str) -> tuple[httpx.Response, bytes]:
    """The answer with its body as it came, and the body that a browser makes of it."""
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip, br"}) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert int(answer.headers.get("Content-Length", len(body))) == len(body)
    return answer, body


@pytest.mark.parametrize("count", [1, 60])
def test_a_page_is_compressed_and_its_length_says_little(
    server: LiveServer, acme: Tenant, count: int
) -> None:
    said = ("Please go on", "Heat flows from warm to cold.") * count
    path = f"/c/{make_conversation(acme, said=said).pk}"
    with server.client(acme, cookies=session_cookie(acme, "member")) as client:
        lengths = set()
        for _ in range(6):
            answer, body = raw(client, path)
            assert answer.status_code == 200
            assert b"Heat flows" in gzip.decompress(body)
            lengths.add(len(body))
        plain = client.get(path, headers=PLAIN)
    assert "Content-Encoding" not in plain.headers
    assert len(lengths) > 1
    assert max(lengths) < len(plain.content) / 2


def test_a_script_is_compressed_and_kept_for_good_at_its_own_address_only(
    server: LiveServer, acme: Tenant
) -> None:
    other = settings.STATIC_URL.replace(settings.STATIC_URL[8:20], "0123456789ab")
    with server.client(acme) as client:
        answer, body = raw(client, settings.STATIC_URL + SCRIPT)
        whole = client.get(settings.STATIC_URL + SCRIPT, headers=PLAIN)
        assert whole.content == gzip.decompress(body)
        assert "immutable" in answer.headers["Cache-Control"]
        assert "immutable" in whole.headers["Cache-Control"]
        known = {"If-None-Match": answer.headers["ETag"]}
        again = client.get(settings.STATIC_URL + SCRIPT, headers=known)
        assert again.status_code == 304
        # Of a page from before an update, or from after it.
        elsewhere = client.get(other + SCRIPT)
        assert elsewhere.content == whole.content
        assert elsewhere.headers["Cache-Control"] == "no-cache"
        assert client.get(other + "js/chat/none.js").status_code == 404


def test_the_address_of_static_files_changes_with_any_of_them(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css/a.css").write_text("a {}")
    one = statics.address(tmp_path)
    assert re.fullmatch(r"/static/[0-9a-f]{12}/", one)
    (tmp_path / "css/a.css").write_text("b {}")
    other = statics.address(tmp_path)
    (tmp_path / "css/a.css").rename(tmp_path / "css/b.css")
    assert len({one, other, statics.address(tmp_path)}) == 3
