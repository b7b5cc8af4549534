"""Links: what a snapshot shows, to whom, and that it shows nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from chat.models import ChatSettings, Conversation, Message, Share
from chat.services.sharing import hash_of
from chat.services.tree import delete_message
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation, make_message
from tests.chat.talk import CHAT
from tests.clients import TenantClient
from tests.factories import person

ClientFor = Callable[..., TenantClient]
SAID = ("How deep?", "Very **deep**.", "And wide?", "Less so.")


@pytest.fixture
def made(acme: Tenant) -> Conversation:
    made = make_conversation(acme, said=SAID, title="The lake")
    with entered(acme.scope):
        reply = made.messages.get(text="Less so.")
        reply.parts = [{"type": "reasoning", "text": "Hush"}, *reply.parts]
        reply.cost, reply.total_tokens = 3, 4711
        reply.save()
    return made


@pytest.fixture
def public(acme: Tenant) -> None:
    with entered(acme.scope):
        ChatSettings.objects.update(link_shares=True)


def link(client_for: ClientFor, acme: Tenant, made: Conversation, **more: Any) -> str:
    """The path of a new one."""
    path = f"{CHAT}/{made.pk}/shares"
    body = {"with": "link", **more}
    answer = client_for(acme, "member").call("POST", path, body)
    assert answer.status_code == 201, answer.content
    url = answer.json()["url"]
    assert url.startswith("http://acme.localhost/s/")
    return str(url.removeprefix("http://acme.localhost"))


def test_a_link_shows_the_branch_and_nothing_private(
    client_for: ClientFor, acme: Tenant, made: Conversation, public: None
) -> None:
    path = link(client_for, acme, made)
    answer = client_for(acme).get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "The lake" in page and "<strong>deep</strong>" in page
    assert all(text in page for text in ("How deep?", "And wide?", "Less so."))
    with entered(acme.scope):
        ids = [made.pk, *made.messages.values_list("pk", flat=True)]
        ids += Share.objects.values_list("pk", flat=True)
    for private in ("member", "@", "4711", "$", "Hush", "token", *ids):
        assert private not in page, private
    assert 'name="robots" content="noindex' in page
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "Set-Cookie" not in answer.headers and not answer.cookies


def test_nothing_newer_shows_and_what_is_deleted_is_gone(
    client_for: ClientFor, acme: Tenant, made: Conversation, public: None
) -> None:
    path = link(client_for, acme, made)
    nobody = client_for(acme)
    with entered(acme.scope):
        wide = made.messages.get(text="And wide?")
        make_message(made, "Edited since", wide.parent, number=8)
        make_message(made, "Said since", made.active_leaf, number=9)
        made.rename("Renamed since")
    page = nobody.get(path).content.decode()
    assert "Less so." in page and "since" not in page
    with entered(acme.scope):
        user = person(acme, "member")
        delete_message(user=user, conversation_id=made.pk, message_id=wide.pk)
    page = nobody.get(path).content.decode()
    assert "How deep?" in page and "wide?" not in page and "Less" not in page
    with entered(acme.scope):
        first = made.messages.get(text="How deep?")
        delete_message(user=user, conversation_id=made.pk, message_id=first.pk)
    assert nobody.get(path).status_code == 404


def revoked(acme: Tenant) -> None:
    Share.objects.update(revoked_at=timezone.now())


def expired(acme: Tenant) -> None:
    Share.objects.update(expires_at=timezone.now())


def of_somebody_gone(acme: Tenant) -> None:
    User.objects.filter(pk=person(acme, "member").pk).update(is_active=False)


@pytest.mark.parametrize("end", [revoked, expired, of_somebody_gone])
def test_a_link_that_ended_is_as_one_that_never_was(
    client_for: ClientFor,
    acme: Tenant,
    globex: Tenant,
    made: Conversation,
    public: None,
    end: Callable[[Tenant], None],
) -> None:
    later = (timezone.now() + timedelta(days=1)).isoformat()
    path = link(client_for, acme, made, expires_at=later)
    assert client_for(acme).get(path).status_code == 200
    with entered(globex.scope):
        ChatSettings.objects.update(link_shares=True)
    assert client_for(globex).get(path).status_code == 404
    with entered(acme.scope):
        end(acme)
    never = client_for(acme).get("/s/" + "A" * 32)
    for client in (client_for(acme), client_for(acme, "stranger")):
        gone = client.get(path)
        assert gone.status_code == never.status_code == 404
        assert client.post(f"{path}/copy").status_code != 200
    anonymous = client_for(acme).get(path)
    assert anonymous.content == never.content
    assert anonymous.headers.keys() == never.headers.keys()


def test_without_the_setting_only_people_of_the_tenant_read(
    client_for: ClientFor, acme: Tenant, globex: Tenant, made: Conversation
) -> None:
    path = link(client_for, acme, made)
    for asked in (path, "/s/" + "A" * 32):
        answer = client_for(acme).get(asked)
        assert answer.status_code == 302
        assert answer["Location"] == f"/accounts/login/?next={asked}"
    assert client_for(acme, "stranger").get(path).status_code == 200
    assert client_for(globex, "member").get(path).status_code == 404


def test_a_members_copy_has_what_the_link_shows_and_no_more(
    client_for: ClientFor, acme: Tenant, made: Conversation
) -> None:
    path = link(client_for, acme, made)
    guest = client_for(acme, "stranger")
    assert f'action="{path}/copy"' in guest.get(path).content.decode()
    answer = guest.post(f"{path}/copy")
    assert answer.status_code == 302
    with entered(acme.scope):
        copy = Conversation.objects.get(pk=answer["Location"].removeprefix("/c/"))
        assert (copy.owner, copy.title) == (person(acme, "stranger"), "The lake")
        assert (copy.message_count, copy.total_tokens) == (4, 0)
        rows = list(Message.objects.filter(conversation=copy).order_by("created_at"))
    assert [row.text for row in rows] == list(SAID)
    for row in rows:
        assert (row.author_id, row.cost, row.total_tokens) == (None, None, 0)
        assert [part["type"] for part in row.parts] == ["text"]
    assert client_for(acme).post(f"{path}/copy")["Location"].startswith("/accounts/")


def test_only_a_hash_of_the_token_is_stored(
    client_for: ClientFor, acme: Tenant, made: Conversation
) -> None:
    token = link(client_for, acme, made).removeprefix("/s/")
    assert re.fullmatch("[A-Za-z0-9_-]{32}", token)
    with entered(acme.scope):
        row = Share.objects.values().get()
    assert token not in str(row)
    assert row["token_hash"] == hash_of(token)


def test_no_link_to_a_reply_that_is_being_written(
    client_for: ClientFor, acme: Tenant, made: Conversation
) -> None:
    with entered(acme.scope):
        Message.objects.filter(pk=made.active_leaf_id).update(status="streaming")
    path = f"{CHAT}/{made.pk}/shares"
    answer = client_for(acme, "member").call("POST", path, {"with": "link"})
    assert (answer.status_code, answer.json()["code"]) == (409, "turn_running")


def test_the_page_of_sharing_works_without_scripts(
    client_for: ClientFor, acme: Tenant, made: Conversation
) -> None:
    member, guest = client_for(acme, "member"), client_for(acme, "stranger")
    page = f"/c/{made.pk}/share"
    form = {
        "kind": "person",
        "email": "stranger@acme.test",
        "role": "viewer",
        "days": 0,
    }
    assert guest.get(page).status_code == 404
    assert member.post(page, form)["Location"] == page
    assert guest.get(page).status_code == 403
    shown = member.post(page, form | {"kind": "link", "days": "7"}).content.decode()
    url = re.search(r'value="http://acme.localhost(/s/[^"]+)"', shown)
    assert url and guest.get(url[1]).status_code == 200
    wrong = member.post(page, form | {"email": "nobody@acme.test"})
    assert "Nobody here has this e-mail address." in wrong.content.decode()
    again = member.get(page).content.decode()
    assert url[1] not in again
    paths = re.findall(r'action="([^"]+/revoke)"', again)
    assert [guest.post(path).status_code for path in paths] == [403, 403]
    assert [member.post(path)["Location"] for path in paths] == [page, page]
    assert guest.get(url[1]).status_code == 404
    assert guest.get(f"/c/{made.pk}").status_code == 404
