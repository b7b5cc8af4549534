"""Bad input is refused with 4xx and a code, never answered with 500."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.body import read_body
from chat.errors import InvalidMessageError
from tenants.models import Tenant
from tests.chat.rows import ID, everything, make_the_one
from tests.chat.talk import CHAT, Talk, sdk_body, text_part
from tests.clients import TenantClient

JSON = {"Content-Type": "application/json"}
CODES = {400: {"bad_request", "invalid"}, 413: {"too_large"}}
CODES |= {404: {"not_found"}, 405: {"method_not_allowed"}}
CODES |= {415: {"unsupported_media_type"}}


def assert_refused(answer: httpx.Response, status: int = 400) -> str:
    """The sentence that was told."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["code"] in CODES[status], body
    detail: str = body["detail"]
    assert 10 < len(detail) < 300 and "Traceback" not in detail
    return detail


NO_JSON = {
    "nothing": b"",
    "no JSON": b"hello",
    "half a JSON": b'{"message": "x"',
    "two": b'{"message": "x"} {}',
    "not a number": b'{"message": "x", "n": NaN}',
    "infinite": b'{"message": "x", "n": -Infinity}',
    "no UTF-8": b'{"message": "\xff\xfe"}',
    "UTF-16": '{"message": "x"}'.encode("utf-16"),
    "half a character": b'{"message": "\xe2\x82"}',
    "NUL": b'{"message": "a\\u0000b"}',
    "raw NUL": b'{"message": "a\x00b"}',
    "NUL in a key": b'{"message": "x", "a\\u0000": 1}',
    "lone surrogate": b'{"message": "\\ud800"}',
    "surrogate in an id": b'{"message": "x", "conversationId": "\\udfff12345678"}',
    "surrogate in a key": b'{"message": "x", "\\ud800": 1}',
    "deep": b'{"message": "x", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a huge number": b'{"message": "x", "n": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_a_body_that_is_no_json_of_ours_is_refused(talk: Talk, body: bytes) -> None:
    assert_refused(talk.client.post(CHAT, content=body, headers=JSON))
    patched = f"{CHAT}/{ID}"
    make_the_one(talk.tenant)
    assert_refused(talk.client.patch(patched, content=body or b"{", headers=JSON))
    assert talk.detail(ID)["title"] == "A title"
    assert talk.client.get(CHAT).json()["count"] == 1


WRONG: list[Any] = [
    [],
    "x",
    1,
    None,
    True,
    {},
    {"message": None},
    {"message": 1},
    {"message": ["x"]},
    {"message": {}},
    {"message": ""},
    {"message": " \n\t\u2028 "},
    {"message": "x", "stream": "no"},
    {"message": "x", "stream": 1},
    {"message": "x", "conversationId": 7},
    {"message": "x", "conversationId": "short"},
    {"message": "x", "conversationId": "x" * 65},
    {"message": "x", "conversationId": "with space"},
    {"message": "x", "conversationId": "../../etc/passwd"},
    {"message": "x", "conversationId": "12345678\n"},
    {"message": "x", "conversationId": "\u0661" * 8},
    {"message": "x", "parentId": "'; drop table chat_message; --"},
    {"message": "x", "parentId": {}},
    {"message": "x", "model": []},
    {"message": "x", "agentId": 1.5},
    {"message": "x", "agentId": True},
    {"message": "x", "agentId": -1},
    {"message": "x", "agentId": ["assistant"]},
    {"messages": "x"},
    {"messages": {}},
    {"messages": []},
    {"messages": [1]},
    {"messages": [None]},
    {"messages": [{}]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "parts": {}}]},
    {"messages": [{"role": "user", "parts": []}]},
    {"messages": [{"role": "user", "parts": ["x"]}]},
    {"messages": [{"role": "user", "parts": [{"type": "text"}]}]},
    {"messages": [{"role": "user", "parts": [{"type": "text", "text": 1}]}]},
    {"messages": [{"role": "user", "parts": [{"type": ["text"], "text": "x"}]}]},
    {"messages": [{"role": "assistant", "parts": [text_part("x")]}]},
    {"messages": [{"role": ["user"], "parts": [text_part("x")]}]},
    {"messages": [{"role": "user", "parts": [text_part("x")], "id": 1}]},
    {"messages": [{"role": "user", "parts": [text_part("x")], "id": "short"}]},
    sdk_body("x", trigger="submit"),
    sdk_body("x", trigger=1),
    sdk_body("x", trigger=["submit-message"]),
    sdk_body("x", trigger={}),
    sdk_body("x", messageId=7),
    sdk_body("x", id=[]),
]


def test_wrong_types_and_values_are_refused(talk: Talk) -> None:
    for body in WRONG:
        sent = json.dumps(body)  # httpx takes None for no body at all
        assert_refused(talk.client.post(CHAT, content=sent, headers=JSON))
    assert everything(talk.tenant) == []
    assert not talk.provider.requests


def test_keys_of_other_clients_are_ignored(talk: Talk) -> None:
    noise: dict[str, Any] = {
        "session": {"a": [1, None]},
        "temperature": 9,
        "__proto__": {},
        "": 0,
    }
    body = sdk_body("Hello", **noise)
    body["messages"][0] |= {"metadata": {"tz": "UTC"}, "createdAt": 5}
    body["messages"][0]["parts"][0] |= {"state": "done", "providerMetadata": {}}
    assert talk.send(None, **body).text == "w0 w1 w2 "
    assert "temperature" not in talk.provider.requests[-1].body


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
    ],
)
def test_other_content_types_are_refused(talk: Talk, kind: str) -> None:
    headers = {"Content-Type": kind}
    answer = talk.client.post(CHAT, content=b'{"message": "x"}', headers=headers)
    assert_refused(answer, 415)
    with_charset = {"Content-Type": "application/json; charset=utf-8"}
    body = b'{"message": "x"}'
    assert talk.client.post(CHAT, content=body, headers=with_charset).is_success


def test_a_form_is_refused(talk: Talk) -> None:
    files = {"message": ("a.json", b'{"message": "x"}', "application/json")}
    assert_refused(talk.client.post(CHAT, files=files), 415)
    assert_refused(talk.client.post(CHAT, data={"message": "x"}), 415)
    assert everything(talk.tenant) == []


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_body_of_10_mb_is_refused(each_talk: Talk, chunked: bool) -> None:
    def body() -> Iterator[bytes]:
        yield b'{"message": "'
        for _ in range(160):
            yield b"x" * 65_536
        yield b'"}'

    content = body() if chunked else b"".join(body())
    answer = each_talk.client.post(CHAT, content=content, headers=JSON)
    assert_refused(answer, 413)
    assert everything(each_talk.tenant) == []
    assert each_talk.send().text == "w0 w1 w2 "


def test_a_message_may_have_64_kib(talk: Talk) -> None:
    for text in ("x" * 65_537, "ä" * 32_769):
        assert_refused(talk.client.post(CHAT, json={"message": text}), 413)
    assert everything(talk.tenant) == []
    largest = "ä" * 32_768
    stream = talk.send(largest)
    assert talk.messages(stream.conversation_id)[0]["text"] == largest


PATHS = [
    "/short",
    "/" + "x" * 65,
    "/%00%00%00%00%00%00%00%00",
    "/abcdefgh%00",
    "/abcdefgh%0a",
    "/%ff%fe%fd%fc%fb%fa%f9%f8",
    "/%ed%a0%80%ed%a0%80",
    "/..%2f..%2fetc%2fpasswd",
    "/abcdefgh/",
    "/abcdefgh/unknown",
    "/%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1%D9%A1",
    "/" + "x" * 6_000,
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_a_path_that_is_no_id_is_a_404(talk: Talk, path: str) -> None:
    for method in ("GET", "DELETE"):
        assert_refused(talk.client.request(method, CHAT + path), 404)


@pytest.mark.parametrize(
    "query",
    [
        "?limit=%00",
        "?offset=%ff%fe",
        "?offset=-9223372036854775809",
        "?limit=1&limit=%ed%a0%80",
        "?branch=%00",
        "?archived=%f0%9f%98%80",
        "?" + "a" * 7_000 + "=1",
        "?=&=&&&;",
        "?limit[]=1",
    ],
    ids=lambda query: query[:30],
)
def test_a_query_of_nonsense_is_a_400_or_ignored(talk: Talk, query: str) -> None:
    make_the_one(talk.tenant)
    for path in (CHAT, f"{CHAT}/{ID}"):
        answer = talk.client.get(path + query)
        assert answer.status_code in {200, 400}, answer.text
        assert answer.headers["content-type"] == "application/json"
    refused = talk.client.post(f"{CHAT}?render=%00", json={"message": "x"})
    assert_refused(refused)


# ------------------------------------------------------------------------- properties

NAMES = ["message", "messages", "id", "conversationId", "messageId", "parentId"]
NAMES += ["agentId", "model", "stream", "trigger", "role", "parts", "type", "text"]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["user", "text", "submit-message", ID, "assistant"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=12,
)
bodies = values | st.dictionaries(st.sampled_from(NAMES), values, max_size=6)


def some(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.nested_given],
    )


@given(bodies)
@some(100)
def test_any_json_is_read_or_refused_by_name(body: Any) -> None:
    try:
        posted = read_body(body)
    except InvalidMessageError as refusal:
        assert refusal.detail.endswith(".")
    else:
        assert isinstance(posted.send.text, str)
        assert isinstance(posted.stream, bool)


def test_any_json_to_the_api_is_answered_below_500(talk: Talk) -> None:
    @given(bodies)
    @some(40)
    def check(body: Any) -> None:
        raw = json.dumps(body).encode("utf-8", "surrogatepass")
        answer = talk.client.post(CHAT, content=raw, headers=JSON)
        assert answer.status_code < 500, answer.text

    check()


def test_any_change_is_made_or_refused(
    client_for: Callable[..., TenantClient], acme: Tenant
) -> None:
    client = client_for(acme, "member")
    make_the_one(acme)

    @given(
        values
        | st.dictionaries(st.sampled_from(["title", "archived", "agent_id"]), scalars)
    )
    @some(20)
    def check(body: Any) -> None:
        answer = client.call("PATCH", f"{CHAT}/{ID}", body)
        assert answer.status_code in {200, 400}, answer.content

    check()
