"""New words wait in lists, and are sorted into the indexes of messages many at once.

To store a hundred replies of 400 words took 150 to 390 ms, of which these indexes took
100 to 300; it takes 40 to 70, and a second later 20 to 50 more for all of them together
(chat.services.indexing.sort_in). A list that grows longer than four megabytes, as it
may while conversations are imported, is sorted in by whoever writes next.

Pairs are made in a third of the time, and none of scripts without spaces, which are
searched by pairs of characters and had twice as many as others. Those that are in the
index stay there until their messages go; no search asks for them.
"""

from django.db import migrations

# As in the migration "search"; all of them have three bytes or more.
DENSE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff"
)

LISTED = """
ALTER INDEX message_search SET (fastupdate = on);
ALTER INDEX message_pairs SET (fastupdate = on)
"""
AT_ONCE = """
ALTER INDEX message_search SET (fastupdate = off);
ALTER INDEX message_pairs SET (fastupdate = off);
SELECT gin_clean_pending_list('message_search');
SELECT gin_clean_pending_list('message_pairs')
"""
PAIRS = rf"""
CREATE OR REPLACE FUNCTION chat_pairs(words tsvector) RETURNS int[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000
RETURN (
    WITH short AS MATERIALIZED (
        SELECT lexeme, unnest(positions) AS place FROM unnest(words)
        WHERE length(lexeme) <= 4 AND NOT (
            octet_length(lexeme) >= 3 * length(lexeme) AND lexeme ~ '[{DENSE}]'
        )
    )
    SELECT array_agg(hashtext(first.lexeme || ' ' || second.lexeme) & 65535)
    FROM short AS first JOIN short AS second ON second.place = first.place + 1
)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0018_message_wish"),
    ]

    operations = [
        migrations.RunSQL(LISTED, AT_ONCE),
        migrations.RunSQL(PAIRS, migrations.RunSQL.noop),
    ]
