"""One turn can be read from a real server's log, as docs/logs.md says, and nobody's
words are in it."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog

from chat.turns.reporting import WITHHELD, _repeats
from config.logging import configure
from llm.client import Endpoint, Prompt
from tests.chat.parts import Part
from tests.chat.talk import CHAT, Talk
from tests.factories import PROVIDER_KEY, person
from tests.provider import Answer

ROOT = Path(__file__).resolve().parents[2]
SECRET = "Nobody may read that I like liquorice"
REPLY = "Salted or sweet, that remains between us"
ALWAYS = {"event", "level", "logger", "timestamp"}
OF_REQUEST = ALWAYS | {"tenant", "request_id"}
OF_TURN = OF_REQUEST | {"user", "conversation", "turn", "agent", "model"}


def lines(talk: Talk) -> list[dict[str, Any]]:
    """What the server has said since the last call, which must all be JSON."""
    said = talk.server.output()
    assert SECRET not in said
    assert REPLY not in said
    assert PROVIDER_KEY not in said
    return [json.loads(line) for line in said.splitlines()]


def documented() -> dict[str, set[str]]:
    """The events of a turn and the fields of each."""
    rows = re.findall(
        r"^\| `([\w ]+)` \| (?:info|warning|error) \| ((?:`\w+`(?:, )?)+) \|",
        (ROOT / "docs/logs.md").read_text(),
        re.M,
    )
    return {event: set(re.findall(r"`(\w+)`", fields)) for event, fields in rows}


def assert_as_documented(line: dict[str, Any]) -> None:
    assert set(line) == OF_TURN | documented()[line["event"]]


def test_a_turn_can_be_followed_by_its_id(each_talk: Talk) -> None:
    each_talk.provider.enqueue(Answer(text=REPLY))
    with each_talk.client.stream("POST", CHAT, json={"message": SECRET}) as response:
        response.read()
    request_id = response.headers["X-Request-Id"]
    member = person(each_talk.tenant, "member").pk
    found = lines(each_talk)
    assert [line["event"] for line in found] == [
        "turn started",
        "first token",
        "turn ended",
    ]
    for line in found:
        assert_as_documented(line)
        assert (line["request_id"], line["tenant"]) == (request_id, "t_acme")
        assert (line["user"], line["agent"]) == (member, "assistant")
        assert line["model"] == "standin/some-model"
        assert line["conversation"] == found[0]["conversation"]
        assert line["turn"] == found[0]["turn"]
    started, first, ended = found
    assert started["message_length"] == len(SECRET)
    assert (ended["status"], ended["reason"], ended["code"]) == ("done", "stop", "")
    assert ended["ttft_ms"] == first["ttft_ms"] <= ended["duration_ms"]
    assert (ended["tokens"], ended["estimated"]) == (10 + len(REPLY.split()), False)


def test_a_failed_provider_is_told_with_its_reason(each_talk: Talk) -> None:
    broken = Answer(status=500, error_message=f"boom, {PROVIDER_KEY}")
    each_talk.provider.enqueue(broken, broken)
    each_talk.send(SECRET)
    found = lines(each_talk)
    assert [line["event"] for line in found] == [
        "turn started",
        "provider asked again",
        "provider failed",
        "turn ended",
    ]
    for line in found:
        assert_as_documented(line)
    failed, ended = found[2:]
    assert failed["code"] == ended["code"] == "provider_error"
    assert failed["provider_status"] == 500
    assert "boom" in failed["detail"]
    assert (ended["status"], ended["ttft_ms"]) == ("failed", None)


def test_a_reason_that_repeats_the_conversation_is_withheld(talk: Talk) -> None:
    echo = Answer(status=400, error_message=f"cannot read {SECRET!r}")
    talk.provider.enqueue(echo)
    talk.send(SECRET)
    failed = next(line for line in lines(talk) if line["event"] == "provider failed")
    assert failed["detail"] == WITHHELD


@pytest.mark.parametrize(
    ("text", "detail", "repeats"),
    [
        ("Hello there", "no such parameter", False),
        ("Hello there", 'input: "Hello there"', True),
        ("ok", "not ok", False),
        ("I said: “äöü” and more, in fact a lot more than that", "and more, in", False),
        (f"First line\n{SECRET}", f"input_value='{SECRET[:25]}...'", True),
        (f"First line\n{SECRET}", json.dumps({"input": f"line\n{SECRET}"}), True),
        ("Süße Grüße", json.dumps({"input": "Süße Grüße"}), True),
    ],
)
def test_what_counts_as_repeating(text: str, detail: str, repeats: bool) -> None:
    messages = [{"role": "user", "content": text}]
    prompt = Prompt(endpoint=Endpoint("openai"), model="m", messages=messages)
    assert _repeats(detail, prompt) is repeats


def test_every_event_in_the_code_is_documented() -> None:
    written = {
        node.args[0].value
        for package in ("agents", "chat", "printing", "usage")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"info", "warning", "error", "exception"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    table = set(
        re.findall(
            r"^\| `([\w ]+)` \| (?:info|warning|error) \|",
            (ROOT / "docs/logs.md").read_text(),
            re.M,
        )
    )
    assert written == table


# ----------------------------------------------------------- what others have to say


def test_refusals_are_not_logged_one_by_one(each_talk: Talk) -> None:
    for path in ("/api/v1/no-such-thing", f"{CHAT}/no-such-conversation", "/wp-login"):
        assert each_talk.client.get(path).status_code == 404
    stranger = {"Authorization": "Bearer parley_guess"}
    assert each_talk.client.get(CHAT, headers=stranger).status_code == 401
    assert lines(each_talk) == []


@pytest.fixture
def said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """What is written to standard error, in a format, when a row breaks a rule whose
    details repeat it, told to a logger in the way some servers do."""

    def say(format_: str) -> str:
        handlers = logging.getLogger().handlers[:]
        try:
            configure({"format": format_})
            try:
                refuse_a_row()
            except RuntimeError as error:
                logging.getLogger("daphne.server").error(
                    "Exception inside application: %s", error, exc_info=error
                )
                structlog.get_logger("chat.turns.runner").exception("turn crashed")
        finally:
            logging.getLogger().handlers[:] = handlers
        return capsys.readouterr().err

    return say


def refuse_a_row() -> None:
    held = SECRET  # a local variable
    try:
        raise psycopg.errors.CheckViolation(
            f"new row violates a rule\nDETAIL:  Failing row contains ({held})."
        )
    except psycopg.Error as error:
        reason = f"api_key={PROVIDER_KEY} was refused\n{held}"
        raise RuntimeError(reason) from error


@pytest.mark.parametrize("format_", ["json", "console"])
def test_exceptions_tell_where_and_why_but_nobodys_words(
    said: Callable[[str], str], format_: str
) -> None:
    told = said(format_)
    assert SECRET not in told
    assert PROVIDER_KEY not in told
    assert told.count("new row violates a rule") == 2
    assert told.count("refuse_a_row") == 4
    assert "Exception inside application" in told


def test_exceptions_are_data_in_json(said: Callable[[str], str]) -> None:
    first, second = map(json.loads, said("json").splitlines())
    assert set(first) == ALWAYS | {"exception"}
    kinds: list[Part] = second["exception"]
    assert [stack["exc_type"] for stack in kinds] == ["RuntimeError", "CheckViolation"]
