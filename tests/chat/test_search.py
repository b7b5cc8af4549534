"""Search: what is found, by whom, in which order, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.utils import timezone

from chat.models import Conversation, Message
from chat.services.conversations import remove
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import ID, make_conversation, make_message, make_the_one
from tests.clients import TenantClient

SEARCH = "/api/v1/search"
KEYS = {
    *("kind", "conversation_id", "message_id", "title", "snippet", "role", "author"),
    *("archived", "created_at", "rank"),
}


@pytest.fixture
def member(client_for: Callable[..., TenantClient], acme: Tenant) -> TenantClient:
    return client_for(acme, "member")


def ask(client: TenantClient, q: str, **more: Any) -> dict[str, Any]:
    answer = client.get(f"{SEARCH}?{urlencode({'q': q, **more})}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def texts(client: TenantClient, q: str) -> list[str]:
    """Snippets without their marks."""
    rows = ask(client, q)["results"]
    return [row["snippet"].replace("<mark>", "").replace("</mark>", "") for row in rows]


def test_a_message_is_found_and_shown_with_its_conversation(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme, said=("Where is the harbour?", "By the sea."))
    page = ask(member, "harbour")
    assert (page["count"], page["next"], page["previous"]) == (1, None, None)
    row = page["results"][0]
    assert row.keys() == KEYS
    with entered(acme.scope):
        message = made.messages.get(role="user")
    assert (row["kind"], row["role"]) == ("message", "user")
    assert (row["conversation_id"], row["message_id"]) == (made.pk, message.pk)
    assert (row["title"], row["archived"]) == ("A title", False)
    assert row["snippet"] == "Where is the <mark>harbour</mark>?"
    assert 0 < row["rank"] < 1


@pytest.mark.parametrize(
    ("q", "said"),
    [
        ("HARBOUR", "harbour"),
        ("cafe", "un café crème"),
        ("CRÈME", "un cafe creme"),
        ("migr", "the migration"),
        ("old harb", "the harbour is old"),
        ('"old harbour"', "an old harbour"),
        ("harbour -storm", "harbour in the sun"),
        ("storm or harbour", "harbour in the sun"),
        ("django_schema", "set django_schema now"),
        ("東京", "今日は東京タワーへ行く"),
        ("京タワ", "今日は東京タワーへ行く"),
        ("東", "今日は東京タワーへ行く"),
        ("く", "今日は東京タワーへ行く"),
        ("tower東京", "東京 is where the tower is"),
        ("한국어", "저는 한국어를 배웁니다"),
        ("ภาษา", "ผมเรียนภาษาไทย"),
        ("москва", "Город Москва"),
    ],
)
def test_it_is_found(member: TenantClient, acme: Tenant, q: str, said: str) -> None:
    make_conversation(acme, said=("Nothing like it", said))
    assert texts(member, q) == [said]


@pytest.mark.parametrize(
    ("q", "said"),
    [
        ("harbour storm", "harbour in the sun"),
        ('"harbour old"', "an old harbour"),
        ("harbour -sun", "harbour in the sun"),
        ("京東", "今日は東京タワーへ行く"),
        ("-東京 今日", "今日は東京タワーへ行く"),
        ("arbour", "harbour"),
        ("!!!", "harbour!"),
    ],
)
def test_it_is_not_found(member: TenantClient, acme: Tenant, q: str, said: str) -> None:
    make_conversation(acme, said=("Nothing like it", said))
    assert texts(member, q) == []


@pytest.mark.parametrize(
    "q", ["Harbour plans", "arbou", "harbor plans", "plans harbour", "京タ"]
)
def test_titles_come_first_also_by_parts_and_with_slips(
    member: TenantClient, acme: Tenant, q: str
) -> None:
    titled = make_conversation(acme, title="Harbour plans 東京タワー", said=())
    make_conversation(acme, said=(f"{q} {q} {q}",))
    rows = ask(member, q)["results"]
    assert (rows[0]["kind"], rows[0]["conversation_id"]) == ("conversation", titled.pk)
    assert rows[0]["message_id"] is rows[0]["role"] is None
    assert rows[0]["rank"] >= 1


def test_what_fits_better_and_what_is_newer_comes_first(
    member: TenantClient, acme: Tenant
) -> None:
    said = (
        "harbour " + "of some other thing " * 20,
        "harbour harbour",
        "harbour harbour ",
    )
    made = make_conversation(acme, said=said)
    with entered(acme.scope):
        newest = made.messages.get(text=said[2])
        newest.created_at = timezone.now()
        newest.save()
    assert [t.split()[-1] for t in texts(member, "harbour")][:2] == ["harbour"] * 2
    first, second, third = ask(member, "harbour")["results"]
    assert first["message_id"] == newest.pk
    assert first["rank"] > second["rank"] > third["rank"]


def test_all_branches_and_archived_conversations_are_searched(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme, said=("Q1", "A1", "Q2"), archived_at=timezone.now())
    with entered(acme.scope):
        question = made.messages.get(text="Q1")
        make_message(made, "The harbour, on another branch", question, number=9)
    (row,) = ask(member, "harbour")["results"]
    assert row["archived"] is True


def test_deleted_and_changed_text_leaves_at_once(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme, said=("harbour", "lighthouse"), title="Pier")
    assert texts(member, "harbour") == ["harbour"]
    with entered(acme.scope):
        Message.objects.filter(text="harbour").update(text="jetty")
        Conversation.objects.filter(pk=made.pk).update(title="Quay")
    assert texts(member, "harbour") == texts(member, "Pier") == []
    assert (texts(member, "jetty"), texts(member, "quay")) == (["jetty"], ["Quay"])
    with entered(acme.scope):
        remove(conversation_id=made.pk, by=None)
    assert texts(member, "jetty") == texts(member, "quay") == []


def test_results_come_in_pages(member: TenantClient, acme: Tenant) -> None:
    make_conversation(acme, said=tuple(f"harbour {n}" for n in range(25)))
    first = ask(member, "harbour")
    assert (first["count"], len(first["results"])) == (25, 20)
    second = member.get(first["next"]).json()
    ids = [row["message_id"] for row in first["results"] + second["results"]]
    assert len(set(ids)) == 25
    assert second["next"] is None
    assert ask(member, "harbour", offset=500)["results"] == []


def test_only_what_may_be_seen_is_found(
    client_for: Callable[..., TenantClient], acme: Tenant, globex: Tenant
) -> None:
    make_the_one(globex, title="Secret of globex")
    make_conversation(acme, "stranger", title="Secret of a stranger", said=("globex",))
    for q in ("globex", "secret", ID):
        assert ask(client_for(acme, "member"), q)["count"] == 0
    answer = client_for(acme).get(f"{SEARCH}?q=secret")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert client_for(acme, "member").call("POST", SEARCH, {}).status_code == 405


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=%20", "q"),
        ("q=" + "x" * 201, "q"),
        ("q=%ED%A0%80%00", None),
        ("q=-storm", "q"),
        ("q=a%20or%20-storm", "q"),
        ("q=%22%22", "q"),
        ("q=or", "q"),
        ("q=x&limit=0", "limit"),
        ("q=x&offset=-1", "offset"),
    ],
)
def test_nonsense_is_a_400(member: TenantClient, query: str, field: str | None) -> None:
    answer = member.get(f"{SEARCH}?{query}")
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/json"
    if field:
        assert answer.json()["fields"].keys() == {field}


@pytest.mark.parametrize(
    "q",
    [
        *("'", "\\", "\\'", "a' | 'b", "a & !b:*", "((", "<->", "%", "_", ":*", "a:*b"),
        *("'x':*", '"', 'a "b', "- -", "a -", "or or a", "…", "👩‍👩‍👧", "\ud800x"[1:]),
        *(
            "(" * 200,
            "- " * 99 + "a",
            "a or " * 39 + "b",
            "日" * 200,
            "i\u0307İ\u017fK",
            "x\u0301",
        ),
    ],
)
def test_no_syntax_can_break_it(member: TenantClient, acme: Tenant, q: str) -> None:
    make_conversation(acme, said=(q,), title=q[:90])
    answer = member.get(f"{SEARCH}?{urlencode({'q': q})}")
    assert answer.status_code in {200, 400}, answer.content
    assert answer.status_code == 200 or answer.json()["code"] == "invalid"


@pytest.mark.parametrize(
    ("said", "snippet"),
    [
        (
            "<script>alert(1)</script> harbour & <b>more</b>",
            "&lt;script&gt;alert(1)&lt;/script&gt; <mark>harbour</mark> &amp; "
            "&lt;b&gt;more&lt;/b&gt;",
        ),
        (
            "</mark><img src=x> harbour",
            "&lt;/mark&gt;&lt;img src=x&gt; <mark>harbour</mark>",
        ),
        (
            "Harbours, the harbour's",
            "<mark>Harbours</mark>, the <mark>harbour</mark>&#x27;s",
        ),
    ],
)
def test_a_snippet_is_safe_html(
    member: TenantClient, acme: Tenant, said: str, snippet: str
) -> None:
    make_conversation(acme, said=(said,), title="T")
    assert [row["snippet"] for row in ask(member, "harbour")["results"]] == [snippet]


def test_a_snippet_shows_the_words_far_into_a_long_text(
    member: TenantClient, acme: Tenant
) -> None:
    make_conversation(
        acme, said=("some words " * 500 + "the harbour " + "more " * 500,)
    )
    (row,) = ask(member, "harbour")["results"]
    assert "the <mark>harbour</mark> more" in row["snippet"]
    assert row["snippet"].startswith("…")
    assert row["snippet"].endswith("…")
    assert len(row["snippet"]) < 300


@pytest.mark.parametrize(
    "make",
    [
        lambda: " ".join(f"w{number:x}" for number in range(200_000)),
        lambda: "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(350_000)),
        lambda: " ".join(
            f"{n:x}-{n * 7919 % 65_536:x}.example.org/{n}" for n in range(40_000)
        ),
        lambda: "".join(chr(0x20000 + n * 7919 % 40_000) for n in range(260_000)),
        lambda: "x" * 1_000_000,
        lambda: "⅒" * 300_000,
    ],
    ids=["words", "han", "addresses", "rare han", "one word", "fractions"],
)
def test_a_huge_text_is_stored_and_found_by_its_beginning(
    member: TenantClient, acme: Tenant, make: Callable[[], str]
) -> None:
    text = "harbour " + make()
    assert len(text.encode()) > 700_000
    made = make_conversation(acme, said=(text,))
    with entered(acme.scope):
        assert made.messages.get().text == text
    assert ask(member, "harbour")["count"] == 1


def test_a_search_that_takes_too_long_is_given_up(
    member: TenantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(typed: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")

    monkeypatch.setattr("chat.search.finding.TIMEOUT", "50ms")
    monkeypatch.setattr("chat.search.finding.understand", sleep)
    answer = member.get(f"{SEARCH}?q=harbour")
    assert (answer.status_code, answer.json()["code"]) == (400, "search_too_broad")


def test_the_page_shows_what_is_found(
    client_for: Callable[..., TenantClient], acme: Tenant
) -> None:
    said = tuple(f"harbour <i>{number}</i>" for number in range(25))
    made = make_conversation(acme, title="Ships & <b>more</b>", said=said)
    member = client_for(acme, "member")
    assert b"<ol" not in member.get("/search").content
    page = member.get("/search?q=harbour").content.decode()
    assert page.count("<mark>harbour</mark> &lt;i&gt;") == 20
    assert "Ships &amp; &lt;b&gt;more" in page
    assert f'href="/c/{made.pk}?at=' in page
    assert 'href="?q=harbour&amp;offset=20"' in page
    more = member.get("/search?q=harbour&offset=20").content.decode()
    assert more.count("<mark>") == 5
    title = member.get("/search?q=ships").content.decode()
    assert "<mark>Ships</mark> &amp; &lt;b&gt;more" in title


@pytest.mark.parametrize("q", ["-storm", "x" * 201, "\x01", '"><script>x</script>'])
def test_the_page_says_what_is_wrong_and_keeps_what_was_typed(
    member: TenantClient, q: str
) -> None:
    answer = member.get(f"/search?{urlencode({'q': q, 'offset': '-1'})}")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert 'role="alert"' in page or "Nothing was found." in page
    assert "<script>x" not in page


def test_the_page_is_for_those_who_are_signed_in(
    client_for: Callable[..., TenantClient], acme: Tenant
) -> None:
    answer = client_for(acme).get("/search?q=harbour")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
