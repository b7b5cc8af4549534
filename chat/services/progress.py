"""The log of running turns in PostgreSQL: written by the flusher of the process that
runs them, read by everybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from django.db import connection, transaction
from django.db.models import Q

from chat.models import RUNNING, Message, Turn, TurnLogEntry
from chat.turns.codec import ENDINGS, from_json
from chat.turns.events import TurnEvent
from tenants.db import scope

CHANNEL = "parley_turns"
NoticeKind = Literal[
    "stop",
    "watch",
    "flushed",
    "begun",
    "started",
    "ended",
    "titled",
    "seen",
    "unshared",
    "budget",
]


def notify(kind: NoticeKind, turn_id: str, **more: object) -> None:
    """Tell all processes, at the commit of the current transaction."""
    notify_all(kind, [{"turn": turn_id, **more}])


def notify_all(kind: NoticeKind, bodies: Sequence[Mapping[str, object]]) -> None:
    """As `notify`, of several turns (`turn` in each body) by one statement."""
    if not bodies:
        return
    about = {"kind": kind, "schema": scope().schema_name}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify(%s, body::text) FROM jsonb_array_elements(%s::jsonb)"
            " AS body",
            [CHANNEL, orjson.dumps([{**about, **body} for body in bodies]).decode()],
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """What a turn has become since its last flush; `rows` as chat.turns.codec,
    `begins` when the first token is among them."""

    turn_id: str
    position: int
    rows: list[list[Any]]
    first_token_at: datetime | None
    begins: bool
    watched: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the flusher learns: turns somebody wants stopped, turns whose provider's
    key was revoked, and turns that are no longer running in the database."""

    stop: frozenset[str]
    revoked: frozenset[str]
    gone: frozenset[str]


# One statement for all turns of a tenant, given as one JSON text: with rows and arrays
# the driver would quote every event by itself, the most expensive part of a flush.
# The heartbeat also says that the worker lives; `streaming` from the first token on.
_WRITE = """
WITH seen AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS turns(
        turn_id text, position int, "end" int, events jsonb, first_token_at timestamptz
    )
), written AS (
    INSERT INTO chat_turnlogentry (turn_id, position, "end", events, created_at)
    SELECT turn_id, position, "end", events, now() FROM seen WHERE "end" > position
)
UPDATE chat_turn SET
    heartbeat_at = now(),
    first_token_at = COALESCE(chat_turn.first_token_at, seen.first_token_at),
    status = CASE WHEN seen.first_token_at IS NULL THEN status ELSE 'streaming' END
FROM seen
WHERE chat_turn.id = seen.turn_id AND status IN ('pending', 'streaming')
RETURNING chat_turn.id, stop_requested_at IS NOT NULL,
    -- Revoked, or gone with its provider.
    chat_turn.credential_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM agents_credential AS used
        WHERE used.id = chat_turn.credential_id AND used.revoked_at IS NULL
    )
"""


@transaction.atomic
def write_progress(batch: Sequence[Progress]) -> Answer:
    """Append the new events of all turns that one process runs for one tenant.

    Safe to repeat when the commit's answer was lost: readers go by the rows' numbers.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [orjson.dumps([_row(p) for p in batch]).decode()])
        found: list[tuple[str, bool, bool]] = cursor.fetchall()
    # In one order everywhere, so that nobody waits for each other in a circle.
    if begun := [p.turn_id for p in batch if p.begins]:
        Message.objects.filter(turns__in=begun, status=Message.Status.PENDING).update(
            status=Message.Status.STREAMING
        )
        _tell_begun(begun)
    watched = [{"turn": p.turn_id} for p in batch if p.watched and p.rows]
    notify_all("flushed", watched)
    running = {turn_id for turn_id, _, _ in found}
    return Answer(
        stop=frozenset(turn_id for turn_id, wanted, _ in found if wanted),
        revoked=frozenset(turn_id for turn_id, _, revoked in found if revoked),
        gone=frozenset(p.turn_id for p in batch) - running,
    )


def _tell_begun(turn_ids: list[str]) -> None:
    """To the author's other pages, whose lists mark it as running. Here and not when
    it starts: nobody's first token waits for it."""
    turns = Turn.objects.filter(pk__in=turn_ids)
    rows = turns.values_list("pk", "conversation", "author")
    notify_all(
        "begun",
        [
            {"turn": pk, "conversation": conversation, "users": [author]}
            for pk, conversation, author in rows
        ],
    )


def _row(progress: Progress) -> dict[str, Any]:
    return {
        "turn_id": progress.turn_id,
        "position": progress.position,
        "end": progress.position + len(progress.rows),
        "events": progress.rows,
        "first_token_at": progress.first_token_at,
    }


@dataclass(frozen=True, slots=True)
class Chapter:
    """Events from a number on; `over` when no more will come."""

    events: list[TurnEvent]
    over: bool


def read_progress(turn_id: str, start: int) -> Chapter:
    """The turn's stored events from number `start` on, each once.

    Rows may overlap: a flush whose commit got no answer is written again.
    """
    # Looked at first: a turn that ends in between has its last row by then.
    running = Turn.objects.running().filter(pk=turn_id).exists()
    events: list[TurnEvent] = []
    entries = TurnLogEntry.objects.filter(turn_id=turn_id, end__gt=start)
    for entry in entries.order_by("position", "pk"):
        skip = start + len(events) - entry.position
        if 0 <= skip < len(entry.events):
            events.extend(from_json(entry.events[skip:]))
    over = not running or any(isinstance(event, ENDINGS) for event in events)
    return Chapter(events, over)


def watch(turn_id: str) -> None:
    """Ask the process that runs a turn to flush it more often for a while."""
    notify("watch", turn_id)


def drop_old_entries(*, older_than: datetime) -> int:
    """Remove the logs of turns that ended before; returns how many rows."""
    needed = Turn.objects.filter(Q(status__in=RUNNING) | Q(finished_at__gte=older_than))
    old = TurnLogEntry.objects.filter(created_at__lt=older_than)
    return old.exclude(turn_id__in=needed.values("pk")).delete()[0]
