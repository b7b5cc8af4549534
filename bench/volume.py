"""A tenant full of conversations, written by the database itself: 5,000 of them with
100,000 messages in some seconds."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bench.words import WORDS

_TEXT = """
(SELECT string_agg((%(words)s::text[])[
    1 + floor(pow(random(), 2) * array_length(%(words)s::text[], 1))::int], ' ')
 FROM generate_series(1, 20 + n %% 60))
"""
_CONVERSATIONS = """
INSERT INTO chat_conversation (id, owner_id, agent_id, title, message_count,
    total_tokens, last_message_at, last_message_preview, created_at, updated_at)
SELECT 'volume-' || c, owner.id, agent.id, 'Volume ' || c, size, 0,
    now() - make_interval(mins => count - c), 'A preview', now(), now()
FROM (SELECT c, %(conversations)s AS count,
        CASE c WHEN 1 THEN %(deep)s ELSE %(size)s END AS size
      FROM generate_series(1, %(conversations)s) c) listed,
    (SELECT id FROM accounts_user ORDER BY id LIMIT 1) owner,
    (SELECT id FROM agents_agent ORDER BY id LIMIT 1) agent
"""
# Each a chain; of nine replies the first has a sibling, which is on the active branch
# in its place.
_MESSAGES = """
INSERT INTO chat_message (id, conversation_id, parent_id, role, parts, text, status,
    error_code, model, agent_revision_id, finish_reason, prompt_tokens,
    completion_tokens, total_tokens, estimated, cost, created_at)
SELECT id, conversation_id, parent_id, role,
    jsonb_build_array(jsonb_build_object('type', 'text', 'text', text)), text,
    'complete', '', '', NULL, '', 0, 0, 0, false, NULL, created_at
FROM (
    SELECT c.id || '-' || n AS id, c.id AS conversation_id,
        CASE WHEN n = 1 THEN NULL ELSE
            c.id || '-' || n - CASE k WHEN 3 THEN 2 ELSE 1 END END AS parent_id,
        CASE WHEN k = 1 OR (k > 3 AND k %% 2 = 0) THEN 'user'
             ELSE 'assistant' END AS role,
        {text} AS text,
        c.last_message_at - make_interval(secs => c.message_count - n) AS created_at
    FROM chat_conversation c, generate_series(1, c.message_count) n,
        LATERAL (SELECT (n - 1) %% 19 + 1 AS k) place
    WHERE c.id LIKE 'volume-%%'
) made
"""
_LEAVES = """
UPDATE chat_conversation c SET active_leaf_id = c.id || '-' || c.message_count
WHERE c.id LIKE 'volume-%'
"""


@dataclass(frozen=True, slots=True)
class Volume:
    """`deep` messages in the conversation `volume-1`, `size` in each of the others."""

    conversations: int = 5_000
    size: int = 19
    deep: int = 5_000

    @property
    def messages(self) -> int:
        return (self.conversations - 1) * self.size + self.deep


def fill(schema: str, volume: Volume) -> None:
    """Into the schema's tables, for its first person and agent."""
    values = {
        "words": WORDS,
        "conversations": volume.conversations,
        "size": volume.size,
        "deep": volume.deep,
    }
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(
            sql.SQL("SET search_path TO {}, extensions").format(sql.Identifier(schema))
        )
        connection.execute(_CONVERSATIONS, values)
        connection.execute(_MESSAGES.format(text=_TEXT).encode(), values)
        connection.execute(_LEAVES)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        # What autovacuum would do in a minute or so.
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")  # or else it writes while somebody measures
