"""Switching branches, deleting messages, forking, pinning and changes in bulk, of
conversations that only lie there. With turns running: test_tree_live.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from chat.models import Conversation, Message
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import START, make_conversation, make_message
from tests.chat.talk import CHAT
from tests.clients import TenantClient

Tree = dict[str, str]
LONG_BRANCH = """
INSERT INTO chat_message (id, conversation_id, parent_id, role, parts, text, status,
    error_code, model, finish_reason, prompt_tokens, completion_tokens, total_tokens,
    estimated, created_at)
SELECT 'message-' || lpad(n::text, 5, '0'), %s,
    CASE WHEN n > 1 THEN 'message-' || lpad((n - 1)::text, 5, '0') END,
    'user', '[]', '', 'complete', '', '', '', 0, 0, 0, false,
    now() + make_interval(secs => n)
FROM generate_series(1, 20500) n
"""


@pytest.fixture
def member(client_for: Callable[..., TenantClient], acme: Tenant) -> TenantClient:
    return client_for(acme, "member")


@pytest.fixture
def tree(acme: Tenant) -> tuple[Conversation, Tree]:
    """Q1 ─┬─ A1 ─┬─ Q2 ── A2
           │      └─ Q2b ─ A2b       (the active branch)
           └─ A1b
    R1                               (another first message, newer than Q1)
    """
    made = make_conversation(acme, said=(), total_tokens=70)
    ids: Tree = {}
    with entered(acme.scope):
        rows: dict[str, Message | None] = {"": None}
        for number, (name, parent) in enumerate(
            [
                ("Q1", ""),
                ("R1", ""),
                ("A1", "Q1"),
                ("A1b", "Q1"),
                ("Q2", "A1"),
                ("A2", "Q2"),
                ("Q2b", "A1"),
                ("A2b", "Q2b"),
            ]
        ):
            row = make_message(made, f"Text {name}", rows[parent], number=number)
            rows[name], ids[name] = row, row.pk
        Conversation.objects.filter(pk=made.pk).update(
            active_leaf=ids["A2b"], message_count=8, created_at=START
        )
    return made, ids


def branch(client: TenantClient, made: Conversation) -> list[str]:
    """The active branch's texts, oldest first, without "Text "."""
    page = client.get(f"{CHAT}/{made.pk}").json()["messages"]["results"]
    return [row["text"].removeprefix("Text ") for row in page[::-1]]


def in_list(client: TenantClient, made: Conversation) -> dict[str, Any]:
    rows = client.get(f"{CHAT}?archived=all").json()["results"]
    return next(row for row in rows if row["id"] == made.pk)


# ------------------------------------------------------------------------- switching


def test_a_branch_is_switched_to_its_newest_leaf(
    member: TenantClient, tree: tuple[Conversation, Tree]
) -> None:
    made, ids = tree
    for chosen, leaf, shown in (
        ("Q2", "A2", ["Q1", "A1", "Q2", "A2"]),
        ("A1b", "A1b", ["Q1", "A1b"]),
        ("Q1", "A2b", ["Q1", "A1", "Q2b", "A2b"]),
        ("R1", "R1", ["R1"]),
        ("A2", "A2", ["Q1", "A1", "Q2", "A2"]),
    ):
        body = {"active_leaf": ids[chosen]}
        answer = member.call("PATCH", f"{CHAT}/{made.pk}", body)
        assert (answer.status_code, answer.json()["active_leaf"]) == (200, ids[leaf])
        assert branch(member, made) == shown
    history = member.get(f"{CHAT}/{made.pk}/messages").json()
    assert [message["id"] for message in history][-1] == ids["A2"]


def test_a_branch_of_another_conversation_is_not_there(
    member: TenantClient, acme: Tenant, tree: tuple[Conversation, Tree]
) -> None:
    made, ids = tree
    other = make_conversation(acme).active_leaf
    assert other is not None
    for wrong in (other.pk, "never-seen-1", "x", "", None, 7.5, [ids["A2"]]):
        body = {"title": "Half a change", "active_leaf": wrong}
        answer = member.call("PATCH", f"{CHAT}/{made.pk}", body)
        assert answer.status_code == 400
        assert answer.json()["fields"].keys() == {"active_leaf"}
    assert in_list(member, made)["title"] == "A title"
    assert branch(member, made) == ["Q1", "A1", "Q2b", "A2b"]


# -------------------------------------------------------------------------- deleting


@pytest.mark.parametrize(
    ("deleted", "shown", "count", "preview"),
    [
        ("A2b", ["Q1", "A1", "Q2b"], 7, "Q2b"),
        ("Q2b", ["Q1", "A1", "Q2", "A2"], 6, "A2"),
        ("A1", ["Q1", "A1b"], 3, "A1b"),
        ("Q1", ["R1"], 1, "R1"),
        # Not on the active branch: the reader's place stays.
        ("Q2", ["Q1", "A1", "Q2b", "A2b"], 6, "A2b"),
        ("R1", ["Q1", "A1", "Q2b", "A2b"], 7, "A2b"),
    ],
)
def test_a_message_goes_with_all_below_it(
    member: TenantClient,
    tree: tuple[Conversation, Tree],
    deleted: str,
    shown: list[str],
    count: int,
    preview: str,
) -> None:
    made, ids = tree
    path = f"{CHAT}/{made.pk}/messages/{ids[deleted]}"
    answer = member.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert branch(member, made) == shown
    row = in_list(member, made)
    everything = member.get(f"{CHAT}/{made.pk}?branch=all").json()["messages"]
    assert row["message_count"] == everything["count"] == count
    newest = everything["results"][0]
    assert row["last_message_at"] == newest["created_at"]
    assert row["last_message_preview"] == newest["text"] == f"Text {preview}"
    assert row["total_tokens"] == 70, "what was used was used"
    assert member.delete(path).status_code == 404


def test_a_conversation_may_lose_all_its_messages(
    member: TenantClient, tree: tuple[Conversation, Tree]
) -> None:
    made, ids = tree
    for root in ("Q1", "R1"):
        member.delete(f"{CHAT}/{made.pk}/messages/{ids[root]}")
    row = in_list(member, made)
    assert (row["message_count"], row["active_leaf"]) == (0, None)
    assert row["last_message_preview"] == ""
    assert row["last_message_at"] == row["created_at"]
    assert member.get(f"{CHAT}/{made.pk}/messages").json() == []


def test_a_message_is_deleted_only_where_it_is(
    member: TenantClient, acme: Tenant, tree: tuple[Conversation, Tree]
) -> None:
    made, ids = tree
    other = make_conversation(acme)
    for conversation, message in ((other.pk, ids["A2"]), (made.pk, "never-seen-1")):
        answer = member.delete(f"{CHAT}/{conversation}/messages/{message}")
        assert answer.status_code == 404
    assert in_list(member, made)["message_count"] == 8


def test_a_branch_is_read_to_its_beginning_however_long_it_is(
    member: TenantClient, acme: Tenant
) -> None:
    made = make_conversation(acme, said=())
    with entered(acme.scope):
        with connection.cursor() as cursor:
            cursor.execute(LONG_BRANCH, [made.pk])
            # Or else each key is checked by reading the table.
            cursor.execute("ANALYZE chat_message")
        Conversation.objects.filter(pk=made.pk).update(active_leaf="message-20500")
    page = member.get(f"{CHAT}/{made.pk}?limit=1&offset=20499").json()["messages"]
    assert page["count"] == 20_500
    assert [message["id"] for message in page["results"]] == ["message-00001"]


# --------------------------------------------------------------------------- forking


def test_a_fork_is_a_copy_of_the_path(
    member: TenantClient, acme: Tenant, tree: tuple[Conversation, Tree]
) -> None:
    made, ids = tree
    with entered(acme.scope):
        Message.objects.filter(pk=ids["A1"]).update(
            status="stopped",
            model="standin/some-model",
            prompt_tokens=3,
            completion_tokens=4,
            total_tokens=7,
            estimated=True,
            cost=Decimal("0.25"),
        )
    answer = member.call("POST", f"{CHAT}/{made.pk}/fork", {"message_id": ids["Q2"]})
    assert answer.status_code == 201
    row = answer.json()
    assert row["id"] != made.pk
    assert (row["title"], row["message_count"], row["total_tokens"]) == (
        "A title",
        3,
        0,
    )
    assert (row["archived"], row["pinned"]) == (False, False)
    assert row["last_message_preview"] == "Text Q2"
    copy = Conversation(pk=row["id"])
    assert branch(member, copy) == ["Q1", "A1", "Q2"]
    assert in_list(member, copy) == row
    new = member.get(f"{CHAT}/{copy.pk}?branch=all").json()["messages"]["results"]
    old = member.get(f"{CHAT}/{made.pk}?branch=all").json()["messages"]["results"]
    own = {"id", "conversation_id", "parent_id", "sibling_ids"}
    before = {found["text"]: found for found in old}
    assert len(new) == 3
    for found in new:
        same = before[found["text"]]
        assert {k: v for k, v in found.items() if k not in own} == {
            k: v for k, v in same.items() if k not in own
        }
        assert found["id"] != same["id"]
        assert found["sibling_ids"] == [found["id"]]
    assert branch(member, made) == ["Q1", "A1", "Q2b", "A2b"], "untouched"
    assert in_list(member, made)["message_count"] == 8


@pytest.mark.parametrize("wrong", ["never-seen-1", "short", "", None, 5, ["x"]])
def test_a_fork_needs_a_message_of_the_conversation(
    member: TenantClient, tree: tuple[Conversation, Tree], wrong: object
) -> None:
    made, _ = tree
    answer = member.call("POST", f"{CHAT}/{made.pk}/fork", {"message_id": wrong})
    assert answer.status_code == (404 if wrong == "never-seen-1" else 400)
    assert member.get(CHAT).json()["count"] == 1


# -------------------------------------------------------------------- pins, and bulk


def test_conversations_are_pinned_and_found_by_it(
    member: TenantClient, acme: Tenant
) -> None:
    plain = make_conversation(acme, said=(), last_message_at=START + timedelta(1)).pk
    pinned = make_conversation(acme, said=(), last_message_at=START).pk
    answer = member.call("PATCH", f"{CHAT}/{pinned}", {"pinned": True})
    assert answer.json()["pinned"] is True

    def listed(query: str) -> list[str]:
        return [row["id"] for row in member.get(CHAT + query).json()["results"]]

    assert listed("?pinned=true") == [pinned]
    assert listed("?pinned=false") == [plain]
    assert listed("") == [plain, pinned], "the order is that of time"
    assert listed("?pinned=true&archived=true") == []
    for wrong in ("", "all", "1"):
        assert member.get(f"{CHAT}?pinned={wrong}").status_code == 400
    for body in ({"pinned": None}, {"pinned": "perhaps"}, {"pinned": [1]}):
        refused = member.call("PATCH", f"{CHAT}/{pinned}", body)
        assert refused.json()["fields"].keys() == {"pinned"}
    member.call("PATCH", f"{CHAT}/{pinned}", {"pinned": False})
    assert listed("?pinned=true") == []


def test_many_are_changed_at_once(
    member: TenantClient, acme: Tenant, globex: Tenant
) -> None:
    mine = [make_conversation(acme).pk for _ in range(3)]
    not_mine = [
        make_conversation(acme, "stranger").pk,
        make_conversation(globex).pk,
        "never-seen-1",
    ]

    def bulk(action: str, ids: list[str]) -> dict[str, Any]:
        answer = member.call("POST", f"{CHAT}/bulk", {"ids": ids, "action": action})
        assert answer.status_code == 200, answer.content
        body: dict[str, Any] = answer.json()
        return body

    def count(query: str) -> int:
        found: int = member.get(CHAT + query).json()["count"]
        return found

    for action, query, after in (
        ("archive", "?archived=true", 2),
        ("archive", "?archived=true", 2),
        ("restore", "?archived=true", 0),
        ("pin", "?pinned=true", 2),
        ("unpin", "?pinned=true", 0),
        ("delete", "", 1),
    ):
        done = bulk(action, [mine[0], not_mine[0], mine[1], *not_mine[1:], mine[0]])
        assert done == {"changed": mine[:2], "skipped": not_mine}
        assert count(query) == after
    assert bulk("delete", mine) == {"changed": mine[2:], "skipped": mine[:2]}
    for tenant in (acme, globex):
        with entered(tenant.scope):
            assert Conversation.objects.count() == 1
            assert Message.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ids": [], "action": "pin"}, "ids"),
        ({"ids": ["good-id-0001"] * 201, "action": "pin"}, "ids"),
        ({"ids": ["x"], "action": "pin"}, "ids"),
        ({"ids": [None], "action": "pin"}, "ids"),
        ({"ids": "good-id-0001", "action": "pin"}, "ids"),
        ({"ids": {"a": 1}, "action": "pin"}, "ids"),
        ({"action": "pin"}, "ids"),
        ({"ids": ["good-id-0001"]}, "action"),
        ({"ids": ["good-id-0001"], "action": "burn"}, "action"),
        ({"ids": ["good-id-0001"], "action": ["pin"]}, "action"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_nonsense_in_bulk_is_a_400(
    member: TenantClient, body: object, field: str
) -> None:
    answer = member.call("POST", f"{CHAT}/bulk", body)
    assert answer.status_code == 400
    assert answer.json()["fields"].keys() == {field}
