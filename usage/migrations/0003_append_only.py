"""The database itself refuses to change or remove records.

Statement by statement, so that not even a change of no rows passes. Such a migration as
must rewrite records disables the trigger for itself.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION usage_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'usage records are append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER usage_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_usagerecord
    FOR EACH STATEMENT EXECUTE FUNCTION usage_refuse_change();
"""
DROP = """
DROP TRIGGER usage_append_only ON usage_usagerecord;
DROP FUNCTION usage_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0002_calls_and_prices")]

    operations = [migrations.RunSQL(CREATE, DROP)]
