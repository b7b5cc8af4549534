"""A message's parent and a conversation's active leaf lie in the same conversation."""

from django.db import migrations

PARENT = """
ALTER TABLE chat_message ADD CONSTRAINT message_parent_same_conversation
FOREIGN KEY (conversation_id, parent_id) REFERENCES chat_message (conversation_id, id)
DEFERRABLE INITIALLY DEFERRED
"""
LEAF = """
ALTER TABLE chat_conversation ADD CONSTRAINT conversation_leaf_inside
FOREIGN KEY (id, active_leaf_id) REFERENCES chat_message (conversation_id, id)
DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [
        migrations.RunSQL(
            PARENT,
            "ALTER TABLE chat_message DROP CONSTRAINT message_parent_same_conversation",
        ),
        migrations.RunSQL(
            LEAF,
            "ALTER TABLE chat_conversation DROP CONSTRAINT conversation_leaf_inside",
        ),
    ]
