"""Where a search's words stand: titles and messages that a person may see.

Titles come first, then messages; each by how well it fits and how new it is. What is
searched is bounded in rows and in time, so that no search can keep others waiting.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from django.db import OperationalError, connection, models, transaction
from django.db.models import F, FloatField
from django.db.models.expressions import CombinedExpression, RawSQL
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import User
from chat.errors import SearchTooBroadError
from chat.models import Conversation, Message
from chat.search.snippets import pattern_of, snippet, without_markup
from chat.search.terms import Search, understand

# The best titles, and the newest messages, that one search ranks and counts.
TITLES, MESSAGES = 100, 300
TIMEOUT = "2s"
# Matches, as PostgreSQL estimates them: with 100,000 messages about where the two ways
# of finding the newest cost the same.
_RARE = 5_000
# So many characters of a text are indexed (the migration "search"), and looked at here.
INDEXED = 65_536
# Letters of which an index can find a title by its middle; fewer would read them all.
_PARTIAL = 3
# A message loses up to half its rank with age; half of that in so many days.
_FADING_DAYS = 60.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A title (`message_id` None) or a message, by its place in the ranking."""

    conversation_id: str
    message_id: str | None
    at: datetime
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
    with _bounded():
        search = understand(typed)
        hits = [*_titles(user, search), *_messages(user, search)]
    hits.sort(key=lambda hit: (hit.rank, hit.at), reverse=True)
    return Found(search, hits)


@contextmanager
def _bounded() -> Iterator[None]:
    """One transaction, which PostgreSQL ends when it takes too long."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # Compiling a query takes longer than these do.
                cursor.execute("SET LOCAL jit = off")
                cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'")
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise SearchTooBroadError from error
        raise


def _titles(user: User, search: Search) -> Iterator[Hit]:
    condition, values = "title_search @@ %s::tsquery", [search.tsquery]
    rank, rank_values = "ts_rank(title_search, %s::tsquery)", [search.tsquery]
    if len(search.plain) >= _PARTIAL:
        # Also in the middle of a word, and words that are nearly those.
        condition += " OR title ILIKE %s OR %s <%% title"
        values += [f"%{_literal(search.plain)}%", search.plain]
        rank = f"greatest({rank}, word_similarity(%s, title) / 2)"
        rank_values = [search.tsquery, search.plain]
    found: list[tuple[str, datetime, float]] = []
    for half in Conversation.objects.visible_halves(user):
        rows = (
            half.filter(_sql(f"({condition})", values, models.BooleanField()))
            .annotate(fit=_sql(rank, rank_values, FloatField()))
            .order_by("-fit", "-last_message_at")
            .values_list("pk", "last_message_at", "fit")
        )
        found += rows[:TITLES]
    found.sort(key=lambda row: (row[2], row[1]), reverse=True)
    for pk, at, fit in found[:TITLES]:
        yield Hit(pk, None, at, 1 + fit)


def _messages(user: User, search: Search) -> Iterator[Hit]:
    if not search.tsquery:
        return
    matches = _sql(
        "text_search @@ %s::tsquery", [search.tsquery], models.BooleanField()
    )
    time: models.F | CombinedExpression = F("created_at")
    if _is_rare(search.tsquery):
        # Or else PostgreSQL walks down from the newest message, through very many that
        # do not match. It cannot walk by a sum.
        time = time + timedelta(0)
    # Divided by the logarithm of the length: a long text has every word.
    fit = _sql("ts_rank(text_search, %s::tsquery, 1)", [search.tsquery], FloatField())
    found: list[tuple[str, str, datetime, float]] = []
    for half in Message.objects.visible_halves(user):
        newest = half.filter(matches).order_by(time.desc()).values("pk")[:MESSAGES]
        found += (
            Message.objects.filter(pk__in=newest)
            .order_by()
            .annotate(fit=fit)
            .values_list("conversation_id", "pk", "created_at", "fit")
        )
    found.sort(key=lambda row: row[2], reverse=True)
    now = timezone.now()
    for conversation_id, pk, at, value in found[:MESSAGES]:
        days = max(0.0, (now - at).total_seconds() / 86_400)
        fading = 0.5 + 0.5 * math.exp2(-days / _FADING_DAYS)
        yield Hit(conversation_id, pk, at, value * fading)


def _is_rare(tsquery: str) -> bool:
    """Whether all matches are sooner read than enough of them met on the way from the
    newest message down; PostgreSQL takes that way too often, as it does not reckon with
    what a look at a message's words costs. Of phrases it knows nothing."""
    if "<" in tsquery:
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (FORMAT JSON) SELECT FROM chat_message"
            " WHERE text_search @@ %s::tsquery",
            [tsquery],
        )
        (((top,),),) = cursor.fetchall()
    return bool(top["Plan"]["Plan Rows"] < _RARE)


def show(search: Search, hits: Sequence[Hit]) -> list[Result]:
    """In the same order; hits that are gone meanwhile are left out."""
    conversations = Conversation.objects.only("title", "archived_at").in_bulk(
        {hit.conversation_id for hit in hits}
    )
    ids = [hit.message_id for hit in hits if hit.message_id]
    messages = {
        pk: (role, author or email, text)
        for pk, role, author, email, text in Message.objects.filter(pk__in=ids)
        .annotate(start=Left(F("text"), INDEXED))
        .values_list("pk", "role", "author__name", "author__email", "start")
    }
    pattern = pattern_of(search.marks)
    results: list[Result] = []
    for hit in hits:
        conversation = conversations.get(hit.conversation_id)
        if conversation is None:
            continue
        role, author, text = None, None, conversation.title
        if hit.message_id:
            if hit.message_id not in messages:
                continue
            role, author, text = messages[hit.message_id]
            if role == Message.Role.ASSISTANT:
                text = without_markup(text)
        results.append(
            Result(
                kind="message" if hit.message_id else "conversation",
                conversation_id=hit.conversation_id,
                message_id=hit.message_id,
                title=conversation.title,
                snippet=snippet(text, pattern),
                role=role,
                author=author,
                archived=conversation.archived_at is not None,
                created_at=hit.at,
                rank=round(hit.rank, 4),
            )
        )
    return results


# The search columns stand in no model, and their names in no other table: without a
# table's name they are found under whatever alias Django gives it.
def _sql(text: str, values: list[Any], kind: models.Field[Any, Any]) -> RawSQL:
    return RawSQL(text, values, output_field=kind)  # noqa: S611  # constant text, bound values


def _literal(text: str) -> str:
    """For LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
