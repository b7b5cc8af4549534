"""Messages sent where they do not belong: other people's ids, other tenants' ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat.models import Message
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import ANSWER, ID, QUESTION, everything, make_the_one
from tests.chat.talk import CHAT, Talk, sdk_body
from tests.factories import make_key, person, point_agent
from tests.provider import Answer, Provider
from tests.servers import LiveServer, session_cookie
from usage.models import UsageRecord

REGENERATE: dict[str, Any] = {"messages": [], "trigger": "regenerate-message"}
# Whoever sends these names a conversation or message that is not theirs.
SENDS: list[dict[str, Any]] = [
    {"message": "Hi", "conversationId": ID},
    {"message": "Hi", "conversationId": ID, "parentId": ANSWER},
    {"message": "Hi", "conversationId": "mine-00000001", "parentId": ANSWER},
    {"message": "Hi", "parentId": ANSWER},
    sdk_body("Hi", chat=ID),
    sdk_body("Hi", chat=ID, own_id="message-0001"),
    sdk_body("Hi", chat=ID, messageId=QUESTION),
    sdk_body("Hi", chat=ID, parentId=ANSWER),
    sdk_body("Hi", messageId=QUESTION),
    sdk_body("Hi", parentId=QUESTION),
    sdk_body("Hi", chat="mine-00000001", messageId=QUESTION),
    sdk_body("Hi", chat="mine-00000001", own_id=QUESTION),
    sdk_body("Hi", chat="not-yet-there", own_id=QUESTION),
    REGENERATE | {"id": ID},
    REGENERATE | {"id": ID, "messageId": ANSWER},
    REGENERATE | {"id": "mine-00000001", "messageId": ANSWER},
    REGENERATE | {"messageId": ANSWER},
]


@pytest.fixture
def globex_talk(
    server: LiveServer, globex: Tenant, provider: Provider
) -> Iterator[Talk]:
    point_agent(globex, provider.url)
    with Talk(server, globex, provider) as talk:
        yield talk


def assert_not_found(answer: httpx.Response) -> None:
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"detail", "code"}
    assert answer.json()["code"] == "not_found"


def test_nobody_sends_into_what_belongs_to_another_person(talk: Talk) -> None:
    make_the_one(talk.tenant, "stranger")
    talk.send(conversationId="mine-00000001")
    before = everything(talk.tenant)
    for body in SENDS:
        for stream in (True, False):
            answer = talk.client.post(CHAT, json=body | {"stream": stream})
            assert_not_found(answer)
            assert everything(talk.tenant) == before, body
    assert len(talk.provider.requests) == 1


def test_ids_of_another_tenant_mean_nothing_here(talk: Talk, globex: Tenant) -> None:
    """Even to the person with the same id there."""
    assert person(talk.tenant, "member").pk == person(globex, "member").pk
    make_the_one(globex)
    talk.send(conversationId="mine-00000001")
    before = everything(globex)
    refused = [body for body in SENDS if "parentId" in body or "messageId" in body]
    for body in refused:
        assert_not_found(talk.client.post(CHAT, json=body))
    # As ids they are free here, and make rows of this tenant's own.
    stream = talk.send(None, **sdk_body("Hi", chat=ID, own_id=QUESTION))
    assert (stream.conversation_id, stream.start["userMessageId"]) == (ID, QUESTION)
    assert everything(globex) == before
    assert "globex" not in str(talk.messages(ID))


def test_two_tenants_with_equal_ids_never_meet(talk: Talk, globex_talk: Talk) -> None:
    both = (talk, globex_talk)
    for number in range(3):
        for each in both:
            said = f"{each.tenant.slug} says {number}"
            each.provider.enqueue(Answer(text=f"{each.tenant.slug} heard {number}"))
            body = sdk_body(said, chat=ID, own_id=f"message-000{number}")
            stream = each.send(None, **body)
            assert stream.text == f"{each.tenant.slug} heard {number}"
            asked = str(each.provider.requests[-1].body)
            other = "globex" if each is talk else "acme"
            assert said in asked and other not in asked
    for each in both:
        with entered(each.tenant.scope):
            texts = set(Message.objects.values_list("text", flat=True))
            assert UsageRecord.objects.count() == 3
        assert len(texts) == 6
        assert all(text.startswith(each.tenant.slug) for text in texts)


def test_running_turns_with_equal_ids_are_stopped_apart(
    talk: Talk, globex_talk: Talk
) -> None:
    hanging = Answer(fault="stall", fault_after=2)
    talk.provider.enqueue(hanging)
    globex_talk.provider.enqueue(hanging)
    with (
        talk.open(conversationId=ID) as ours,
        globex_talk.open(conversationId=ID) as theirs,
    ):
        ours.until("text-delta")
        theirs.until("text-delta")
        assert ours.start["messageId"] != theirs.start["messageId"]
        talk.stop(ID)
        assert ours.rest().kinds[-1] == "abort"
        with globex_talk.follow(ID) as late:
            late.until("text-delta")
        assert late.parts[0] == theirs.parts[0]
        globex_talk.stop(ID)
        assert theirs.rest().kinds[-1] == "abort"


def test_nobody_sends_without_signing_in(talk: Talk, globex: Tenant) -> None:
    keys = ("", "Bearer x", f"Bearer {make_key(globex, 'member')}")
    foreign_cookie = session_cookie(globex, "member")
    with talk.server.client(talk.tenant) as nobody:
        bodies: list[Any] = [{"message": "Hi"}, {"message": 1}, []]
        for body in bodies:
            for key in keys:
                headers = {"Authorization": key} if key else {}
                answer = nobody.post(CHAT, json=body, headers=headers)
                assert answer.status_code == 401, (body, key)
                assert answer.json()["code"] == "unauthenticated"
                assert answer.headers["www-authenticate"] == "Bearer"
        nobody.cookies.update(foreign_cookie)
        assert nobody.post(CHAT, json={"message": "Hi"}).status_code == 401
    assert everything(talk.tenant) == []


def test_a_session_sends_with_its_csrf_token_only(talk: Talk) -> None:
    with talk.server.client(talk.tenant) as browser:
        browser.cookies.update(session_cookie(talk.tenant, "member"))
        for headers in ({}, {"X-CSRFToken": "x" * 64}):
            refused = browser.post(CHAT, json={"message": "Hi"}, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert everything(talk.tenant) == []
        browser.get("/")
        token = {"X-CSRFToken": browser.cookies["csrftoken"]}
        answer = browser.post(CHAT, json={"message": "Hi"}, headers=token)
        assert answer.status_code == 200, (answer.text, answer.request.headers)
        assert answer.text.endswith("data: [DONE]\n\n")
