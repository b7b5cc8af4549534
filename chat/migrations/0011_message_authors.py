"""Until now nobody but a conversation's owner has written in it."""

from django.db import migrations

AUTHORS = """
UPDATE chat_message SET author_id = owner_id FROM chat_conversation
WHERE chat_conversation.id = conversation_id AND role = 'user'
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0010_share_leaf_inside")]

    operations = [migrations.RunSQL(AUTHORS, migrations.RunSQL.noop)]
