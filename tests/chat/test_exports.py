"""One conversation as a file: what is in it, what is safe, how it is called."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from ctypes.util import find_library
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pypdf
import pytest

from accounts.models import User
from chat.exporting.markdown import contained
from chat.models import Conversation
from printing import pdf, program
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation, make_message
from tests.chat.talk import CHAT
from tests.clients import TenantClient
from tests.factories import email_of

ClientFor = Callable[..., TenantClient]
SCHEMA = Path(__file__).resolve().parents[2] / "docs/conversation.schema.json"
# What system-packages of the Makefile installs; without it nothing prints.
needs_pango = pytest.mark.skipif(
    find_library("pangoft2-1.0") is None, reason="no Pango on this machine"
)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>"
    "<style>*{display:none}</style>[go](javascript:alert(1))"
    "![pixel](https://evil.example/p.png)</textarea></article>"
)


def export(client: TenantClient, conversation: Conversation, query: str) -> Any:
    return client.get(f"{CHAT}/{conversation.pk}/export?{query}")


def pdf_text(content: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return "\n".join(page.extract_text() for page in pages)


def fonts_of(content: bytes) -> set[str]:
    found: set[str] = set()
    for page in pypdf.PdfReader(io.BytesIO(content)).pages:
        resources: Any = page["/Resources"]
        for font in resources["/Font"].values():
            found.add(str(font.get_object()["/BaseFont"]).partition("+")[2])
    return found


def make_tree(tenant: Tenant) -> Conversation:
    """A question, its reply and a second version of that, which is the active one."""
    made = make_conversation(tenant, said=("Why?", "First version"), title="Why so?")
    with entered(tenant.scope):
        question = made.messages.get(text="Why?")
        made.active_leaf = make_message(
            made,
            "Second version",
            question,
            number=9,
            model="standin/some-model",
            status="stopped",
            finish_reason="",
            prompt_tokens=1000,
            completion_tokens=234,
            total_tokens=1234,
            cost=Decimal("0.0125"),
        )
        made.message_count = 3
        made.save()
    return made


def test_json_holds_the_whole_tree_as_its_schema_says(
    client_for: ClientFor, acme: Tenant
) -> None:
    made = make_tree(acme)
    answer = export(client_for(acme, "member"), made, "format=json&branch=all")
    document = json.loads(answer.content)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert answer["Content-Type"] == "application/json"
    messages = document["messages"]
    assert [m["text"] for m in messages] == ["Why?", "First version", "Second version"]
    assert {m["parent_id"] for m in messages[1:]} == {messages[0]["id"]}
    assert document["conversation"]["active_leaf_id"] == messages[2]["id"]
    assert messages[2]["agent"] == {"slug": "assistant", "revision": 1}
    assert messages[2]["usage"] == {
        "prompt_tokens": 1000,
        "completion_tokens": 234,
        "total_tokens": 1234,
        "estimated": False,
        "cost": "0.0125",
    }


@pytest.mark.parametrize("kind", ["json", "markdown", "html"])
def test_the_active_branch_leaves_other_versions_out(
    client_for: ClientFor, acme: Tenant, kind: str
) -> None:
    made = make_tree(acme)
    client = client_for(acme, "member")
    active = export(client, made, f"format={kind}").content.decode()
    assert "Second version" in active and "First version" not in active
    whole = export(client, made, f"format={kind}&branch=all").content.decode()
    assert whole.index("First version") < whole.index("Second version")
    if kind != "json":
        assert "Version 2 of 2" in whole


@pytest.mark.parametrize("kind", ["markdown", "html"])
def test_a_text_says_who_when_how_much_and_how_it_ended(
    client_for: ClientFor, acme: Tenant, kind: str
) -> None:
    made = make_tree(acme)
    text = export(client_for(acme, "member"), made, f"format={kind}").content.decode()
    text = text.replace("\\", "")
    for part in (
        "Why so?",
        "member@acme.test",
        "Assistant",
        "standin/some-model",
        "2026-01-01 00:00",
        "1,234 tokens · $0.013",
        "Stopped: the reply is as far as it got.",
    ):
        assert part in text


@pytest.mark.parametrize("kind", ["markdown", "html"])
def test_a_text_is_in_the_language_of_who_asks_for_it(
    client_for: ClientFor, acme: Tenant, kind: str
) -> None:
    made = make_tree(acme)
    with entered(acme.scope):
        User.objects.filter(email=email_of(acme, "member")).update(language="de")
    text = export(client_for(acme, "member"), made, f"format={kind}").content.decode()
    for part in ("Beteiligte", "1.234 Token · $0.013", "So weit kam die Antwort."):
        assert part in text.replace("\\", "")
    assert kind != "html" or '<html lang="de" dir="ltr">' in text


def test_html_is_one_safe_file(client_for: ClientFor, acme: Tenant) -> None:
    made = make_conversation(
        acme, said=(HOSTILE, HOSTILE), title="</title><script>alert(2)</script>"
    )
    answer = export(client_for(acme, "member"), made, "format=html")
    assert answer["Content-Security-Policy"].startswith("sandbox;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    seen = Elements(answer.content.decode())
    assert not seen.tags & {"script", "img", "iframe", "link", "object", "form", "base"}
    assert seen.attributes <= {
        *("charset", "class", "content", "dir", "href", "http-equiv", "id", "lang"),
        *("name", "rel", "role", "aria-label", "tabindex", "target"),
    }
    assert all(link.startswith(("https://", "#m")) for link in seen.links)
    assert seen.count("style") == seen.count("title") == 1
    assert seen.count("article") == 2


class Elements(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    @property
    def tags(self) -> set[str]:
        return set(self.found)

    def count(self, tag: str) -> int:
        return self.found.count(tag)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plain *text*.", "Plain *text*."),
        ("# Top\n\nx\n\n## Next", "### Top\n\nx\n\n#### Next"),
        ("Top\n===\ntext", "### Top\ntext"),
        ("```py\n# no heading", "```py\n# no heading\n```"),
        ("~~~~\n```", "~~~~\n```\n~~~~"),
        ("<!-- never closed", "\\<!-- never closed"),
        ("<pre>\nx", "\\<pre>\nx"),
        ("<div>closed by the blank line", "<div>closed by the blank line"),
        ("#hashtag", "#hashtag"),
        ("> # quoted", "> # quoted"),
        ("", ""),
    ],
)
def test_markdown_changes_only_what_would_reach_other_messages(
    text: str, expected: str
) -> None:
    assert contained(text) == expected


@needs_pango
def test_pdf_has_the_text_of_every_script(client_for: ClientFor, acme: Tenant) -> None:
    said = (
        "Question about 中文 and 日本語のかな",
        "한국어 **bold** Ελληνικά Русский हिन्दी ☐ ✗ ∀ ≤ 😀\n\n"
        "```python\ndef greet(): return '你好'\n# " + "code " * 60 + "\n```\n\n"
        "| Left | Right |\n|---|--:|\n| one | 22 |\n\n" + "long" * 100,
        "مرحبا and שלום",
        HOSTILE,
    )
    made = make_conversation(acme, said=said, title="The title")
    answer = export(client_for(acme, "member"), made, "format=pdf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    text = pdf_text(answer.content)
    for part in (
        "The title",
        "member@acme.test",
        "中文",
        "日本語のかな",
        "한국어",
        "bold",
        "Ελληνικά",
        "Русский",
        "☐ ✗ ∀ ≤ 😀",
        "greet(): return '你好'",
        "Left",
        "22",
        "<script>alert(1)</script>",
    ):
        assert part in text
    assert {"م", "ש"} <= set(text)
    assert text.replace("\n", "").count("long") == 100
    assert max(map(len, text.splitlines())) < 120, "a long line ran off the page"
    fonts = fonts_of(answer.content)
    assert {"Noto-Sans", "Noto-Sans-CJK-JP", "Noto-Emoji", "JetBrains-Mono"} <= fonts
    assert all(font.startswith(("Noto-", "JetBrains-")) for font in fonts), fonts


@needs_pango
def test_pdf_draws_formulas_and_says_what_it_cannot_draw_in_tex(
    client_for: ClientFor, acme: Tenant
) -> None:
    said = r"Half: $\frac{1}{2}$ and $$\sqrt{x}$$ and $\text{שלום}$."
    made = make_conversation(acme, said=("Formulas, please", said))
    answer = export(client_for(acme, "member"), made, "format=pdf")
    text = pdf_text(answer.content)
    assert "frac" not in text and "sqrt" not in text
    assert r"\text{" in text
    known = pypdf.PdfReader(io.BytesIO(answer.content))
    numbers = range(1, int(str(known.trailer["/Size"])))
    objects: Iterable[object] = map(known.get_object, numbers)
    spoken = {one.get("/Alt") for one in objects if isinstance(one, dict)}
    assert {r"\frac{1}{2}", r"\sqrt{x}"} <= spoken


def test_a_third_pdf_at_once_has_to_wait(client_for: ClientFor, acme: Tenant) -> None:
    made = make_tree(acme)
    client = client_for(acme, "member")
    for _ in range(pdf.LIMIT):
        assert pdf._printers.acquire(blocking=False)
    try:
        answer = export(client, made, "format=pdf")
    finally:
        pdf._printers.release(pdf.LIMIT)
    assert (answer.status_code, answer.json()["code"]) == (503, "export_busy")
    assert answer["Retry-After"] == "10"
    assert pdf._printers.acquire(blocking=False), "a slot was lost"
    pdf._printers.release()


@needs_pango
def test_what_is_too_long_for_a_pdf_is_refused(
    client_for: ClientFor, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_tree(acme)
    client = client_for(acme, "member")
    monkeypatch.setattr(pdf, "HTML_MAX", 100)
    answer = export(client, made, "format=pdf")
    assert (answer.status_code, answer.json()["code"]) == (413, "pdf_too_long")
    monkeypatch.undo()
    monkeypatch.setattr(pdf, "CPU_SECONDS", 0)
    answer = export(client, made, "format=pdf")
    assert (answer.status_code, answer.json()["code"]) == (413, "pdf_too_long")


def test_a_machine_that_cannot_print_says_so(
    client_for: ClientFor, acme: Tenant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = make_tree(acme)
    broken = tmp_path / "program.py"
    broken.write_text("raise OSError('cannot load library libpango')")
    monkeypatch.setattr(program, "__file__", str(broken))
    answer = export(client_for(acme, "member"), made, "format=pdf")
    assert (answer.status_code, answer.json()["code"]) == (503, "pdf_unavailable")


@pytest.mark.parametrize(
    ("title", "plain", "coded"),
    [
        ("Why so?", "Why so", "Why%20so.json"),
        ("Käse 中文", "Kase", "K%C3%A4se%20%E4%B8%AD%E6%96%87.json"),
        ('../../etc/passwd"\r\nX: 1', "etc passwd X 1", "etc%20passwd%20X%201.json"),
        ("中文", "conversation", "%E4%B8%AD%E6%96%87.json"),
        ("", "conversation", "conversation.json"),
    ],
)
def test_files_are_called_like_the_conversation(
    client_for: ClientFor, acme: Tenant, title: str, plain: str, coded: str
) -> None:
    made = make_conversation(acme, title=title)
    answer = export(client_for(acme, "member"), made, "format=json")
    assert answer["Content-Disposition"] == (
        f"attachment; filename=\"{plain}.json\"; filename*=UTF-8''{coded}"
    )


@pytest.mark.parametrize(
    "query", ["format=docx", "format=", "branch=none", "format=%ff"]
)
def test_an_unknown_format_or_branch_is_a_400(
    client_for: ClientFor, acme: Tenant, query: str
) -> None:
    made = make_conversation(acme)
    answer = export(client_for(acme, "member"), made, query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "kind", ["json", "markdown", "html", pytest.param("pdf", marks=needs_pango)]
)
def test_an_empty_conversation_and_any_accept_header_will_do(
    client_for: ClientFor, acme: Tenant, kind: str
) -> None:
    made = make_conversation(acme, said=(), title="")
    client = client_for(acme, "member")
    for accept in ("application/pdf", "text/html"):
        path = f"{CHAT}/{made.pk}/export?format={kind}"
        answer = client.get(path, headers={"accept": accept})
        assert answer.status_code == 200
