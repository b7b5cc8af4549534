"""Where a search's words stand: titles and messages that a person may see.

Titles come first, then messages; each by how well it fits and how new it is. What is
searched is bounded in rows and in time, so that no search can keep others waiting.
All SQL here is constant text with bound values, around the gate that Django writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import psycopg
from django.db import OperationalError, connection, models, transaction
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left
from django.utils.safestring import SafeString

from accounts.models import User
from chat.errors import SearchTooBroadError
from chat.models import Conversation, Message
from chat.querysets import anything_open_to
from chat.search.snippets import pattern_of, snippet, without_markup
from chat.search.terms import Search, understand

# The best titles, and the messages of the conversations last written in, that one
# search ranks and counts.
TITLES, MESSAGES = 100, 300
TIMEOUT = "2s"
# Matches, as PostgreSQL estimates them: with 100,000 messages about where the two ways
# of finding the newest cost the same.
_FEW = 5_000
# So many characters of a text are indexed (the migration "search"), and looked at here.
INDEXED = 65_536
# Letters of which an index can find a title by its middle; fewer would read them all.
_PARTIAL = 3
# Where no title has what was typed, one with nearly those words will do. Fewer letters
# are near too many, and to compare takes long.
_NEARLY = 5
# A message loses up to half its rank with age; half of that in so many seconds, and all
# of it, as far as a number can tell, in a hundred times as many.
_FADING = 60 * 86_400
# A time as a number, which takes a tenth of the time to read.
_SECONDS = "extract(epoch from {})::float8"


class Hit(NamedTuple):
    """A title (`message_id` None) or a message, by its place in the ranking."""

    conversation_id: str
    message_id: str | None
    rank: float


@dataclass(frozen=True, slots=True)
class Result:
    """A hit as it is shown; `role` is None for a title."""

    kind: str
    conversation_id: str
    message_id: str | None
    title: str
    snippet: SafeString
    role: str | None
    author: str | None
    archived: bool
    created_at: datetime
    rank: float


@dataclass(frozen=True, slots=True)
class Found:
    """All hits, best first, of which `show` gives some as results."""

    search: Search
    hits: list[Hit]


def find(user: User, typed: str) -> Found:
    """Raises ValidationError for a search without a word to look for, and
    SearchTooBroadError for one that takes too long."""
    with bounded():
        search = understand(typed)
        shared = anything_open_to(user)
        hits = [*_titles(user, shared, search), *_messages(user, shared, search)]
    # The newer of two that fit alike stays in front.
    hits.sort(key=lambda hit: hit.rank, reverse=True)
    return Found(search, hits)


@contextmanager
def bounded() -> Iterator[None]:
    """One transaction, which PostgreSQL ends when it takes too long; raises
    SearchTooBroadError then."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # To compile a query, or to start processes for it, takes longer than
                # these do; and to compare a word with each title as well, which
                # PostgreSQL takes for little.
                cursor.execute(
                    "SET LOCAL jit = off; SET LOCAL enable_seqscan = off;"
                    " SET LOCAL max_parallel_workers_per_gather = 0;"
                    f" SET LOCAL statement_timeout = '{TIMEOUT}'"
                )
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise SearchTooBroadError from error
        raise


def _titles(user: User, shared: bool, search: Search) -> Iterator[Hit]:
    condition, values = "words @@ %s::tsquery", [search.tsquery]
    if len(search.plain) >= _PARTIAL:  # also in the middle of a word
        condition += " OR title ILIKE %s"
        values += [f"%{_literal(search.plain)}%"]
    found = _best_titles(user, shared, search, condition, values)
    if not found and len(search.plain) >= _NEARLY:
        found = _best_titles(user, shared, search, "%s <%% title", [search.plain])
    for pk, fit, _at in found:
        yield Hit(pk, None, 1 + fit)


def _best_titles(
    user: User, shared: bool, search: Search, condition: str, values: list[str]
) -> list[tuple[str, float, float]]:
    found: list[tuple[str, float, float]] = []
    for half in Conversation.objects.visible_halves(user, shared=shared):
        found += _rows(
            half.order_by().values_list(
                "pk", "last_message_at", "title", _column("title_search")
            ),
            "half(pk, at, title, words)",
            "SELECT pk, greatest(ts_rank(words, %s::tsquery),"  # noqa: S608  # constant
            f" word_similarity(%s, title) / 2) AS fit, {_SECONDS.format('at')}"
            f" FROM half WHERE {condition} ORDER BY fit DESC, at DESC LIMIT %s",
            [search.tsquery, search.plain, *values, TITLES],
        )
    found.sort(key=itemgetter(1, 2), reverse=True)
    return found[:TITLES]


def _messages(user: User, shared: bool, search: Search) -> Iterator[Hit]:
    if not search.tsquery:
        return
    condition, values, few = _way(search)
    # PostgreSQL goes from conversation to conversation, the last one first, until it
    # has enough; where few match it would go far. It cannot walk by a sum.
    active = "active + interval '0'" if few else "active"
    found: list[tuple[str, str, float, float]] = []
    for half in Message.objects.visible_halves(user, shared=shared):
        found += _rows(
            half.order_by().values_list(
                *("conversation_id", "pk", "created_at"),
                *("conversation__last_message_at", _column("text_search")),
            ),
            "half(conversation_id, pk, at, active, words)",
            # Divided by the logarithm of the length: a long text has every word.
            "SELECT conversation_id, pk, ts_rank(words, %s::tsquery, 1) * (0.5 + 0.5"  # noqa: S608  # constant
            f" * 2 ^ -least(100, greatest(0, {_SECONDS.format('now() - at')}"
            f" / {_FADING}))),"
            f" {_SECONDS.format('active')} FROM (SELECT * FROM half WHERE {condition}"
            f" ORDER BY {active} DESC, conversation_id DESC, at DESC LIMIT %s) AS best",
            [search.tsquery, *values, MESSAGES],
        )
    found.sort(key=itemgetter(3, 0), reverse=True)
    for conversation_id, pk, rank, _active in found[:MESSAGES]:
        yield Hit(conversation_id, pk, rank)


def _way(search: Search) -> tuple[str, list[Any], bool]:
    """A condition for messages, its values, and whether few fulfil it: then all of them
    are sooner read than enough met on the way through the conversations. PostgreSQL
    takes that way too often, as it does not reckon with what a look at a text's words
    costs."""
    condition, values = "words @@ %s::tsquery", [search.tsquery]
    if _estimate("text_search @@ %s::tsquery", search.tsquery) < _FEW:
        return condition, values, True
    if not search.pairs:
        # Of phrases it is only known how many have their words.
        return condition, values, "<" in search.tsquery
    having = "chat_pairs(text_search) @> %s::int[]"
    if _estimate(having, search.pairs) >= _FEW:
        return condition, values, False
    # Apart, and so by their index: to make a text's pairs anew takes long.
    pairs = f"pk IN (SELECT id FROM chat_message WHERE {having} OFFSET 0)"  # noqa: S608  # constant
    return f"{pairs} AND {condition}", [search.pairs, *values], True


def _estimate(condition: str, value: str | list[int]) -> int:
    """How many messages of the tenant fulfil it, as PostgreSQL's statistics have it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) SELECT FROM chat_message WHERE {condition}", [value]
        )
        (((top,),),) = cursor.fetchall()
    return int(top["Plan"]["Plan Rows"])


def _rows(
    half: models.QuerySet[Any, Any], name: str, statement: str, values: list[Any]
) -> list[Any]:
    """What `statement` says of `half`, which it calls by `name`. Django writes who may
    see what, and no more: to have it write the rest takes longer than the search."""
    gate, bound = half.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {name} AS ({gate}) {statement}", [*bound, *values])
        return list(cursor.fetchall())


def show(search: Search, hits: Sequence[Hit]) -> list[Result]:
    """In the same order; hits that are gone meanwhile are left out."""
    titles = _titles_of([hit.conversation_id for hit in hits if not hit.message_id])
    messages = _messages_of([hit.message_id for hit in hits if hit.message_id])
    pattern = pattern_of(search.marks)
    results: list[Result] = []
    for hit in hits:
        if hit.message_id is None:
            row = titles.get(hit.conversation_id)
        else:
            row = messages.get(hit.message_id)
        if row is None:
            continue
        at, title, archived_at, role, author, text = row
        results.append(
            Result(
                kind="message" if hit.message_id else "conversation",
                conversation_id=hit.conversation_id,
                message_id=hit.message_id,
                title=title,
                snippet=snippet(text, pattern),
                role=role,
                author=author,
                archived=archived_at is not None,
                created_at=at,
                rank=round(hit.rank, 4),
            )
        )
    return results


# When, its title, when it was archived, role, author, and the text to show.
_Row = tuple[datetime, str, datetime | None, str | None, str | None, str]


def _titles_of(ids: list[str]) -> dict[str, _Row]:
    if not ids:
        return {}
    rows = Conversation.objects.filter(pk__in=ids).order_by()
    return {
        pk: (at, title, archived_at, None, None, title)
        for pk, at, title, archived_at in rows.values_list(
            "pk", "last_message_at", "title", "archived_at"
        )
    }


def _messages_of(ids: list[str]) -> dict[str, _Row]:
    if not ids:
        return {}
    rows = Message.objects.filter(pk__in=ids).order_by()
    found: dict[str, _Row] = {}
    for pk, at, title, archived_at, role, name, email, text in rows.values_list(
        *("pk", "created_at", "conversation__title", "conversation__archived_at"),
        *("role", "author__name", "author__email", Left("text", INDEXED)),
    ):
        if role == Message.Role.ASSISTANT:
            text = without_markup(text)
        found[pk] = (at, title, archived_at, role, name or email, text)
    return found


# The search columns stand in no model, and their names in no other table: without a
# table's name they are found under whatever alias Django gives it.
def _column(name: str) -> RawSQL:
    return RawSQL(name, [])  # noqa: S611  # a constant


def _literal(text: str) -> str:
    """For LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
