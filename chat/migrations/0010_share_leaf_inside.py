"""The branch that a link shows lies in the conversation it shares."""

from django.db import migrations

LEAF = """
ALTER TABLE chat_share ADD CONSTRAINT share_leaf_inside
FOREIGN KEY (conversation_id, leaf_id) REFERENCES chat_message (conversation_id, id)
DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0009_shares")]

    operations = [
        migrations.RunSQL(
            LEAF, "ALTER TABLE chat_share DROP CONSTRAINT share_leaf_inside"
        )
    ]
