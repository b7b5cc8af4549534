"""What search looks into: generated columns, so that text and index never differ.

chat_searchable   a text as the index reads it: its first 65,536 characters (a tsvector
                  holds 1 MiB, which no text of that length fills), and scripts without
                  spaces between words as overlapping pairs of characters
chat_search       a text search configuration of this schema; the tenant's language is
                  a change of its dictionaries (chat.services.indexing)

A row of messages changes its index once, when its text is stored (1.6 ms for 1.4 kB,
until the migration "search_pending"); a conversation's row is written twice in each
turn, and its index puts that off, but not so far that a search has much to go through.

The columns stand in no model: nobody needs to load them. On a table with rows this
writes it anew.
"""

from django.db import migrations

# Thai, Lao, Burmese, Khmer, kana, Han and Hangul; chat.search.letters has the same.
DENSE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff"
)
LIMIT = 65_536

# “ab日本語” becomes “ab 日本  語” and, for the pairs in between, “本語”.
SEARCHABLE = rf"""
CREATE FUNCTION chat_searchable(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN octet_length(content) = char_length(content)
        OR left(content, {LIMIT}) !~ '[{DENSE}]'
    THEN left(content, {LIMIT})
    ELSE regexp_replace(left(content, {LIMIT}), '([{DENSE}][{DENSE}]?)', ' \1 ', 'g')
        || regexp_replace(
            regexp_replace(' ' || left(content, {LIMIT}), '[^{DENSE}]+.?', ' ', 'g'),
            '(\S\S)', '\1 ', 'g'
        )
    END
"""
CONFIGURATION = """
CREATE TEXT SEARCH CONFIGURATION chat_search (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION chat_search ALTER MAPPING FOR word, hword, hword_part
    WITH extensions.unaccent, pg_catalog.simple
"""
MESSAGES = """
ALTER TABLE chat_message ADD COLUMN text_search tsvector
    GENERATED ALWAYS AS (to_tsvector('chat_search', chat_searchable(text))) STORED;
CREATE INDEX message_search ON chat_message USING gin (text_search)
    WITH (fastupdate = off);
CREATE INDEX message_by_time ON chat_message (created_at)
"""
TITLES = """
ALTER TABLE chat_conversation ADD COLUMN title_search tsvector
    GENERATED ALWAYS AS (to_tsvector('chat_search', chat_searchable(title))) STORED;
CREATE INDEX conversation_search ON chat_conversation
    USING gin (title_search, title extensions.gin_trgm_ops)
    WITH (gin_pending_list_limit = 256)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0006_chat_settings"),
    ]

    operations = [
        migrations.RunSQL(SEARCHABLE, "DROP FUNCTION chat_searchable"),
        migrations.RunSQL(
            CONFIGURATION, "DROP TEXT SEARCH CONFIGURATION chat_search"
        ),
        migrations.RunSQL(
            MESSAGES,
            "DROP INDEX message_by_time; ALTER TABLE chat_message DROP COLUMN text_search",
        ),
        migrations.RunSQL(TITLES, "ALTER TABLE chat_conversation DROP COLUMN title_search"),
    ]
