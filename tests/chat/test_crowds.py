"""Many at once at the same few database threads: nobody waits for himself."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chat.talk import CHAT, Talk
from tests.provider import Answer
from tests.servers import session_cookie

SLOW = Answer(tokens=2000, pace=20)


@pytest.fixture
def crowd(talk: Talk) -> list[str]:
    """More running conversations than there are threads and connections."""
    talk.provider.enqueue(*[SLOW] * 12)

    def begin(number: int) -> str:
        with talk.open(f"Question {number}") as stream:
            stream.until("text-delta", 3)
            return stream.conversation_id

    with ThreadPoolExecutor(12) as pool:
        return list(pool.map(begin, range(12)))


def test_a_crowd_of_edits_stops_what_it_replaces(talk: Talk, crowd: list[str]) -> None:
    def edit(conversation_id: str) -> str:
        question = talk.messages(conversation_id)[0]["id"]
        parts = [{"type": "text", "text": "Something else"}]
        message = {"id": question, "role": "user", "parts": parts}
        return talk.send(
            None,
            id=conversation_id,
            messageId=question,
            trigger="submit-message",
            messages=[message],
        ).text

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(edit, crowd)) == {"w0 w1 w2 "}
    for conversation_id in crowd:
        found = {m["status"] for m in talk.messages(conversation_id, "all")}
        assert found == {"complete", "stopped"}


def test_a_crowd_of_deletions_stops_and_removes(talk: Talk, crowd: list[str]) -> None:
    def purge(conversation_id: str) -> set[int]:
        path = f"{CHAT}/{conversation_id}?purge=true"
        with ThreadPoolExecutor(2) as twice:
            answers = list(twice.map(lambda _: talk.client.delete(path), range(2)))
        return {answer.status_code for answer in answers}

    with ThreadPoolExecutor(6) as pool:
        for statuses in pool.map(purge, crowd):
            assert statuses <= {204, 404}
            assert 204 in statuses
    assert talk.client.get(CHAT, params={"archived": "all"}).json()["count"] == 0


def test_a_crowd_of_forms_is_sent(talk: Talk) -> None:
    cookies = session_cookie(talk.tenant, "member")

    def send(number: int) -> int:
        with talk.server.client(talk.tenant, cookies=cookies) as browser:
            page = browser.get("/").text
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
            assert token is not None
            form = {"csrfmiddlewaretoken": token[1], "message": f"Question {number}"}
            return browser.post("/", data=form).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(send, range(16))) == {302}
    talk.provider.wait_requests(16)
