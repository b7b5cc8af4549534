"""PostgreSQL's extensions for search, in a schema that every search_path ends with.

Only the public schema has this app, so this runs once, before any tenant's tables
need them.
"""

from django.core.management.base import CommandError
from django.db import DatabaseError, migrations, transaction

SCHEMA = "extensions"
NAMES = ("pg_trgm", "unaccent")
BY_HAND = (
    "Parley needs PostgreSQL's extensions {names} in the schema {schema} and could not "
    "put them there: {reason} Let an administrator of the database run:\n"
    "  CREATE SCHEMA IF NOT EXISTS {schema};\n"
    "  GRANT USAGE ON SCHEMA {schema} TO {role};\n"
    "{steps}"
)


def install(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extname, nspname FROM pg_extension"
            " JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = ANY(%s)",
            [list(NAMES)],
        )
        found = dict(cursor.fetchall())
        missing = [name for name in NAMES if name not in found]
        elsewhere = [name for name in NAMES if found.get(name, SCHEMA) != SCHEMA]
        if elsewhere:
            # Moving them could break whoever else uses this database.
            raise CommandError(_advice(cursor, missing, elsewhere, "they lie elsewhere."))
        if not missing:
            return
    try:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            for name in missing:
                cursor.execute(f"CREATE EXTENSION {name} SCHEMA {SCHEMA}")
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") + "."
        with connection.cursor() as cursor:
            advice = _advice(cursor, missing, [], reason)
        raise CommandError(advice) from error


def _advice(cursor, missing, elsewhere, reason):
    cursor.execute("SELECT quote_ident(current_user)")
    steps = [f"  CREATE EXTENSION {name} SCHEMA {SCHEMA};" for name in missing]
    steps += [f"  ALTER EXTENSION {name} SET SCHEMA {SCHEMA};" for name in elsewhere]
    return BY_HAND.format(
        names=" and ".join(NAMES),
        schema=SCHEMA,
        reason=reason,
        role=cursor.fetchone()[0],
        steps="\n".join(steps),
    )


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    # Backwards they stay: something else in the database may use them, and they do no harm.
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
