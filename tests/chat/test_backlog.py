"""What is still to be stored of a turn: each event once, also when a commit's answer
was lost."""

from __future__ import annotations

from chat.turns.backlog import Backlog
from chat.turns.events import Aborted, Opened, TurnEvent
from chat.turns.log import TurnLog
from llm.events import ReasoningDelta, TextDelta


def unasked(events: list[TurnEvent]) -> bytes:
    raise AssertionError("nobody reads these logs")


OPENED = Opened("reply-id", "conversation", "question", 1, "a/b")


def test_neighbouring_deltas_of_one_kind_are_one_row() -> None:
    log = TurnLog(lambda: unasked)
    backlog = Backlog(log)
    log.append(OPENED, ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("a"))
    log.append(TextDelta("b"), TextDelta("c"))
    rows = backlog.batch()
    assert [row[0] for row in rows] == ["o", "r", "t"]
    assert [row[1] for row in rows[1:]] == ["hm", "abc"]


def test_a_batch_is_given_unchanged_until_it_is_stored() -> None:
    log = TurnLog(lambda: unasked)
    backlog = Backlog(log)
    assert not backlog
    log.append(OPENED, TextDelta("a"))
    first = list(backlog.batch())
    log.append(TextDelta("b"))
    assert (backlog.batch(), backlog.position) == (first, 0)
    backlog.stored()
    assert backlog and backlog.position == 2
    assert backlog.batch() == [["t", "b"]]
    backlog.stored()
    assert not backlog and backlog.position == 3


def test_the_rest_has_what_was_given_and_what_has_come_since() -> None:
    log = TurnLog(lambda: unasked)
    backlog = Backlog(log)
    log.append(TextDelta("a"))
    backlog.batch()
    log.append(TextDelta("b"))
    end = ["a", "stopped"]
    for _ in range(2):  # the end of a turn may be tried again
        assert backlog.rest(Aborted("stopped")) == [["t", "a"], ["t", "b"], end]
    assert backlog.position == 0
