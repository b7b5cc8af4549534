"""Several new rows of several tables by one statement, for the start of a turn: the
ORM's way is a statement a table, each of which it builds and waits for anew."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import Any

from django.db import connection
from django.db.models import Field, Model


def insert_together(*rows: Model) -> None:
    """INSERT these rows, those of one table next to each other.

    As `bulk_create`, which this is for more than one table: keys must be set, signals
    are not sent. Foreign keys among the rows are checked at the commit.
    """
    statements: list[str] = []
    values: list[Any] = []
    for model, group in groupby(rows, type):
        head, tuple_, fields = _insert_into(model)
        tuples = 0
        for row in group:
            tuples += 1
            values += [
                field.get_db_prep_save(field.pre_save(row, add=True), connection)
                for field in fields
            ]
            row._state.adding = False
            row._state.db = connection.alias
        statements.append(head + ", ".join([tuple_] * tuples))
    *others, last = statements
    named = ", ".join(f"part{n} AS ({sql})" for n, sql in enumerate(others))
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {named} {last}" if others else last, values)


@lru_cache(maxsize=16)
def _insert_into(model: type[Model]) -> tuple[str, str, list[Field[Any, Any]]]:
    quote = connection.ops.quote_name
    fields = list(model._meta.local_concrete_fields)
    columns = ", ".join(quote(str(field.column)) for field in fields)
    head = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES "  # noqa: S608  # from the model itself
    return head, f"({', '.join(['%s'] * len(fields))})", fields
