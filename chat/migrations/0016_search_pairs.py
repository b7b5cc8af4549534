"""Phrases of words that are in most messages, looked up by pairs of neighbours.

An index of words leaves all messages that have both, in whatever places, and to look at
them takes a hundredth of a second for each 5,000. The commonest words of a language are
short, so pairs of short ones are indexed besides, by a number of 16 bits: two pairs may
share one, which the phrase itself tells apart. hashtext is what hash indexes on text are
made of, and so does not change.

Nothing walks by time any more (chat.search.finding), so that index goes.
"""

from django.db import migrations

# What stands at one place may have several forms, in some dictionaries.
PAIRS = """
CREATE FUNCTION chat_pairs(words tsvector) RETURNS int[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000
RETURN (
    SELECT array_agg(DISTINCT hashtext(first || ' ' || second) & 65535)
    FROM (
        SELECT lexeme AS first, array_agg(lexeme) OVER (
            ORDER BY place RANGE BETWEEN 1 FOLLOWING AND 1 FOLLOWING
        ) AS following
        FROM unnest(words), unnest(positions) AS place
        WHERE length(lexeme) <= 4
    ) AS short, unnest(following) AS second
)
"""
INDEX = """
CREATE INDEX message_pairs ON chat_message USING gin (chat_pairs(text_search))
    WITH (fastupdate = off)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0015_messages_keep_revisions"),
    ]

    operations = [
        migrations.RunSQL(PAIRS, "DROP FUNCTION chat_pairs"),
        migrations.RunSQL(INDEX, "DROP INDEX message_pairs"),
        migrations.RunSQL(
            "DROP INDEX message_by_time",
            "CREATE INDEX message_by_time ON chat_message (created_at)",
        ),
    ]
