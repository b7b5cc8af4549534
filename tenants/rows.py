"""New rows of one or several tables by one statement, for the start and end of a turn:
the ORM's way is a statement a table, each of which it builds and waits for anew."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from typing import Any

import orjson
from django.db import connection
from django.db.models import AutoField, Field, Model
from django.utils.functional import Promise


def insert_together(*rows: Model) -> None:
    """INSERT these rows, those of one table next to each other.

    As `bulk_create`, which this is for more than one table: signals are not sent, and
    keys must be set but where the database numbers the last table's rows. Values have
    the fields' own types, which nothing here makes them; TypeError for any that JSON
    has not. Foreign keys among the rows are checked at the commit.
    """
    statements: list[str] = []
    values: list[str] = []
    last: list[Model] = []
    for model, group in groupby(rows, type):
        last = list(group)
        statement, fields, returning = _insert_into(model)
        # Each table's as one JSON text: the driver would quote each value by itself.
        given = [
            {field.column: field.pre_save(row, add=True) for field in fields}
            for row in last
        ]
        values.append(orjson.dumps(given, default=_plain).decode())
        for row in last:
            row._state.adding = False
            row._state.db = connection.alias
        statements.append(statement)
    *others, final = statements
    named = ", ".join(f"part{n} AS ({sql})" for n, sql in enumerate(others))
    with connection.cursor() as cursor:
        cursor.execute(
            (f"WITH {named} {final}" if others else final) + returning, values
        )
        if returning:
            for row, (key,) in zip(last, cursor.fetchall(), strict=True):
                row.pk = key


def _plain(value: object) -> str:
    if isinstance(value, Promise) or (isinstance(value, Decimal) and value.is_finite()):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no value of a row.")


@lru_cache(maxsize=16)
def _insert_into(model: type[Model]) -> tuple[str, list[Field[Any, Any]], str]:
    """The statement, the fields it takes, and what asks for the numbers that the
    database gives."""
    quote = connection.ops.quote_name
    meta = model._meta
    table = quote(meta.db_table)
    numbered = isinstance(meta.pk, AutoField)
    fields = [
        field
        for field in meta.local_concrete_fields
        if not (numbered and field.primary_key)
    ]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    statement = (
        f"INSERT INTO {table} ({columns}) SELECT {columns}"  # noqa: S608  # from the model itself
        f" FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)"
    )
    returning = f" RETURNING {quote(str(meta.pk.column))}" if numbered else ""
    return statement, fields, returning
