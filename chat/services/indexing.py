"""The language of search, writing its columns anew after a change of it, and putting
new words where searches find them fastest.

Until all rows are written anew, old ones keep the forms of the old language: words
whose forms differ are found in new messages only. ChatSettings.reindex_from says how
far that has come, so that any process goes on with it after a crash.
"""

from __future__ import annotations

from itertools import takewhile

from django.db import connection, models, transaction
from django.db.models import F

from chat.models import ChatSettings, Conversation, Message

# Rows of one transaction: some tenths of a second.
BATCH = 500
_ORDER = ("chat_conversation", "chat_message")
# Kinds of words that a language has endings for; numbers and addresses have none.
_WORDS = ("asciiword", "word", "asciihword", "hword", "hword_asciipart", "hword_part")
_INDEXES = ("message_search", "message_pairs", "conversation_search")
_SORT_IN = """
SELECT gin_clean_pending_list(to_regclass(name)) FROM unnest(%s::text[]) AS name
"""
_DICTIONARIES = """
SELECT t.alias, array_agg(m.mapdict::regdictionary::text ORDER BY m.mapseqno)
FROM pg_ts_config c
JOIN pg_ts_config_map m ON m.mapcfg = c.oid
JOIN ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype
WHERE c.cfgname = %s AND c.cfgnamespace = 'pg_catalog'::regnamespace
    AND t.alias = ANY(%s)
GROUP BY t.alias
"""


def languages() -> list[str]:
    """What this server's PostgreSQL knows, by name; “simple” is no language."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT cfgname FROM pg_ts_config"
            " WHERE cfgnamespace = 'pg_catalog'::regnamespace ORDER BY cfgname"
        )
        return [name for (name,) in cursor.fetchall()]


@transaction.atomic
def set_language(language: str) -> None:
    """From here on texts are stored and searched in this language; older ones follow
    (`reindex_some`). Raises ValueError for one that PostgreSQL does not know.

    Waits for turns that are just storing a text, and keeps others waiting for as long
    as the enclosing transaction lasts: a text is indexed by one language or the other,
    and those of the old one are all there when the writing anew begins.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DICTIONARIES, [language, list(_WORDS)])
        dictionaries = cursor.fetchall()
        if not dictionaries:
            raise ValueError(language)
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        # In the order of reindex_some: it has this row when it writes to the tables.
        cursor.execute("SELECT FROM chat_chatsettings FOR UPDATE")
        cursor.execute(
            "LOCK TABLE chat_conversation, chat_message IN SHARE ROW EXCLUSIVE MODE"
        )
        for kind, names in dictionaries:
            # Names of the catalogue, as PostgreSQL quotes them.
            cursor.execute(
                "ALTER TEXT SEARCH CONFIGURATION chat_search ALTER MAPPING"
                f" FOR {kind} WITH extensions.unaccent, {', '.join(names)}"
            )
    start_over(search_language=language)


def start_over(**changes: str) -> None:
    """Every row of the tenant in force will be written anew."""
    ChatSettings.objects.update(reindex_from=f"{_ORDER[0]}/", **changes)


def sort_in() -> None:
    """Put the words of new texts, which the indexes of search keep in lists that every
    search reads through, into their places: many at once take a fraction of the time
    that they would one by one.

    Safe to run anywhere at once, and to leave out: PostgreSQL does it too when a list
    grows long.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SORT_IN, [list(_INDEXES)])


@transaction.atomic
def reindex_some() -> bool:
    """Write the next rows anew; False when none are left, or somebody else is at it or
    at the very next row.

    Safe to repeat and to run anywhere at once: what a crash undoes is done again.
    """
    waiting = ChatSettings.objects.select_for_update(skip_locked=True)
    settings = waiting.exclude(reindex_from=None).first()
    if settings is None or settings.reindex_from is None:
        return False
    table, _, last = settings.reindex_from.partition("/")
    model, field = {
        "chat_conversation": (Conversation, "title"),
        "chat_message": (Message, "text"),
    }[table]
    following = list(
        model._default_manager.filter(pk__gt=last)
        .order_by("pk")
        .values_list("pk", flat=True)[:BATCH]
    )
    done = _touch(model, field, following)
    if following and not done:
        return False
    if done:
        settings.reindex_from = f"{table}/{done[-1]}"
    else:
        left = _ORDER[_ORDER.index(table) + 1 :]
        settings.reindex_from = f"{left[0]}/" if left else None
    settings.save(update_fields=["reindex_from"])
    return settings.reindex_from is not None


def _touch(model: type[models.Model], field: str, ids: list[str]) -> list[str]:
    """Have the generated column of these rows made again; returns which.

    It ends before the first row that somebody has locked, rather than wait for it in an
    order that could be a circle. Such a row is not left out: what is written of it may
    be another field, and then its generated column stays.
    """
    free = (
        model._default_manager.filter(pk__in=ids)
        .order_by("pk")
        .select_for_update(skip_locked=True, no_key=True)
    )
    locked = set(free.values_list("pk", flat=True))
    ready = list(takewhile(locked.__contains__, ids))
    model._default_manager.filter(pk__in=ready).update(**{field: F(field)})
    return ready
