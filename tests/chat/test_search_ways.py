"""The ways in which PostgreSQL comes by what matches; all have to find the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.utils import timezone

from chat.models import Conversation, Message
from chat.search import finding
from chat.search.finding import find
from chat.search.letters import DENSE
from chat.search.terms import understand
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.chat.test_search import ask, texts
from tests.clients import TenantClient
from tests.factories import person

SAID = (
    "To be or not to be",
    "to be, in the end",
    "be to",
    "Wo to je? Be.",
    "in the harbour and in the sea",
    "the end: the sea",
    "one two one two one",
)
MANY = finding._FEW
# Of words, and of pairs of words.
WAYS = {"few have the words": (0, 0), "many": (MANY, MANY), "few the pairs": (MANY, 0)}


@pytest.fixture
def member(client_for: Callable[..., TenantClient], acme: Tenant) -> TenantClient:
    return client_for(acme, "member")


FOUND: dict[str, set[int]] = {
    '"to be"': {0, 1},
    '"be to"': {2},
    '"to be or not"': {0},
    '"in the sea"': {4},
    '"in the" sea': {4},
    '"in the" "the sea"': {4},
    '"the sea" -harbour': {5},
    '"be to" or "the end"': {1, 2, 5},
    '"two one two"': {6},
    '"the lights"': set(),
    '"sea the"': set(),
    '"to nothing"': set(),
    "to be": {0, 1, 2, 3},
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_finds_the_same(
    member: TenantClient, acme: Tenant, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    words, pairs = WAYS[way]

    def estimate(condition: str, value: object) -> int:
        return pairs if "chat_pairs" in condition else words

    monkeypatch.setattr(finding, "_estimate", estimate)
    make_conversation(acme, title="", said=SAID)
    make_conversation(acme, "stranger", title="", said=SAID)
    for q, found in FOUND.items():
        assert sorted(texts(member, q)) == sorted(SAID[n] for n in found), q


def test_a_phrase_is_looked_up_by_the_pairs_of_its_short_words(
    member: TenantClient, acme: Tenant
) -> None:
    with entered(acme.scope):
        assert understand("to be").pairs == []
        assert understand('"to be" or "harbour"').pairs == []
        assert understand('-"to be" x').pairs == []
        assert understand('"harbour lights" "東京 to"').pairs == []
        (one,) = understand('"To  Bé!"').pairs
        assert one in understand('"not to be" lights').pairs
        make_conversation(acme, said=("x y " * 20_000, "to be " * 20_000))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT text FROM chat_message"
                " WHERE chat_pairs(text_search) @> %s::int[]",
                [[one]],
            )
            assert [text[:5] for (text,) in cursor.fetchall()] == ["to be"]
            cursor.execute("SELECT chat_pairs(''::tsvector), chat_pairs(NULL)")
            assert cursor.fetchone() == (None, None)


def test_the_scripts_without_spaces_are_the_same_everywhere() -> None:
    for name in ("0007_search", "0019_search_pending"):
        assert import_module(f"chat.migrations.{name}").DENSE == DENSE


def test_scripts_without_spaces_have_no_pairs_of_words(db: None, acme: Tenant) -> None:
    with entered(acme.scope), connection.cursor() as cursor:
        cursor.execute(
            "SELECT cardinality(chat_pairs(to_tsvector('chat_search',"
            " chat_searchable(said)))) FROM unnest(%s::text[]) AS said",
            [["to be 東京都庁 or not", "東京都庁", "кто это там", "यह वह है"]],
        )
        assert [number for (number,) in cursor.fetchall()] == [2, None, 2, 2]


def test_of_very_many_those_of_the_last_conversations_are_taken(
    member: TenantClient, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MESSAGES", 3)
    now = timezone.now()
    for days, said in ((9, "first"), (1, "last"), (5, "middle")):
        make_conversation(
            acme,
            title="",
            said=(f"harbour {said} 1", f"harbour {said} 2"),
            last_message_at=now - timedelta(days=days),
        )
    wanted = {"harbour last 1", "harbour last 2", "harbour middle 2"}
    for words in (0, MANY):
        monkeypatch.setattr(finding, "_estimate", lambda *_, words=words: words)
        assert set(texts(member, "harbour")) == wanted
        assert ask(member, "harbour")["count"] == 3


def test_what_is_shared_is_taken_with_what_is_ones_own(
    client_for: Callable[..., TenantClient],
    acme: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finding, "MESSAGES", 2)
    monkeypatch.setattr(finding, "TITLES", 2)
    owner, stranger = client_for(acme, "owner"), client_for(acme, "stranger")
    now = timezone.now()
    for name, days in (("owner", 3), ("member", 2), ("stranger", 1), ("owner", 0)):
        made = make_conversation(
            acme,
            name,
            title=f"Pier of {name} {days}",
            said=(f"harbour of {name} {days}",),
            last_message_at=now - timedelta(days=days),
        )
        shares = f"/api/v1/chat/{made.pk}/shares"
        if name == "stranger":
            assert stranger.call("POST", shares, {"with": "tenant"}).status_code == 201
    assert set(texts(owner, "harbour")) == {
        "harbour of stranger 1",
        "harbour of owner 0",
    }
    assert set(texts(owner, "pier")) == {"Pier of stranger 1", "Pier of owner 0"}
    with entered(acme.scope):
        Conversation.objects.filter(pk=made.pk).update(owner=person(acme, "member"))
    assert set(texts(owner, "harbour")) == {
        "harbour of stranger 1",
        "harbour of owner 3",
    }


def test_nearly_the_word_will_do_where_no_title_has_it(
    member: TenantClient, acme: Tenant
) -> None:
    make_conversation(acme, title="Harbour plans", said=())
    assert texts(member, "harbor") == ["Harbour plans"]
    assert texts(member, "hrbo") == []
    make_conversation(acme, title="Pearl Harbor", said=())
    assert texts(member, "harbor") == ["Pearl Harbor"]
    assert texts(member, "harbourx") == ["Harbour plans"]


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_a_message_of_any_age_has_its_place(db: None, acme: Tenant, year: int) -> None:
    make_conversation(acme, title="", said=("harbour",))
    with entered(acme.scope):
        at = datetime(year, 6, 1, tzinfo=UTC)
        Message.objects.update(created_at=at)
        Conversation.objects.update(last_message_at=at)
        (hit,) = find(person(acme, "member"), "harbour").hits
    assert 0 < hit.rank < 1
