"""Revisions stay as they are saved: messages say by them how they were answered."""

from django.db import migrations

# Not of the author, who may be removed.
FORWARDS = """
CREATE FUNCTION agents_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'revisions of agents never change'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER agents_agentrevision_immutable
    BEFORE UPDATE OF agent_id, number, system_prompt, model, parameters, fallbacks,
        tools, created_at ON agents_agentrevision
    FOR EACH STATEMENT EXECUTE FUNCTION agents_refuse_change();
"""
BACKWARDS = """
DROP TRIGGER agents_agentrevision_immutable ON agents_agentrevision;
DROP FUNCTION agents_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0004_mcp_health")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
