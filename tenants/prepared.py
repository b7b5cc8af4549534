"""Querysets whose SQL is built once in a process.

For the few reads that each turn begins with: Django builds a query anew whenever it is
run, which takes three times as long as to send it and to make objects of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)
# What stand for values while the SQL is built; no query has such constants.
_HOLES = tuple(range(-0x7A91_0000, -0x7A91_0000 + 8))


class Prepared(Generic[M]):
    """`build(*shape)` makes the queryset, its values left open as `hole(0)`, `hole(1)`.

    `shape` is whatever else the SQL depends on, and has few different values. A hole is
    where the database takes an integer, or a text as `hole(0, str)`.
    """

    def __init__(self, build: Callable[..., QuerySet[M, Any]]) -> None:
        self._query = lru_cache(maxsize=32)(lambda *shape: _Query(build(*shape)))

    def first(self, *values: int | str, shape: Sequence[Any] = ()) -> M | None:
        """The first row's object; a slice [:1] in `build` tells the database too."""
        query: _Query[M] = self._query(*shape)
        return next((query.made(row) for row in query.rows(values)), None)

    def rows(
        self, *values: int | str, shape: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """What a queryset of `values_list` gives."""
        query: _Query[M] = self._query(*shape)
        return query.rows(values)


def hole(number: int, kind: type[int] | type[str] = int) -> Any:
    """The place of the value with this number."""
    return kind(_HOLES[number])


class _Query(Generic[M]):
    def __init__(self, queryset: QuerySet[M, Any]) -> None:
        self._compiler = queryset.query.get_compiler(using=queryset.db)
        self._sql, self._params = self._compiler.as_sql()
        numbers = [str(mark) for mark in _HOLES]
        # Where which value stands, and the adapter's type that its column takes.
        self._holes = [
            (place, numbers.index(str(param)), type(param))
            for place, param in enumerate(self._params)
            if str(param) in numbers
        ]
        self._db = queryset.db

    def rows(self, values: Sequence[int | str]) -> list[tuple[Any, ...]]:
        params = [*self._params]
        for place, number, kind in self._holes:
            params[place] = kind(values[number])
        with connection.cursor() as cursor:
            cursor.execute(self._sql, params)
            found = cursor.fetchall()
        return list(self._compiler.results_iter([found], tuple_expected=True))

    def made(self, row: tuple[Any, ...]) -> M:
        """The row's object, with what `select_related` and `annotate` add."""
        model, names, columns, related = self._of_model
        made = model.from_db(self._db, names, row[columns])
        for populator in related:
            populator.populate(row, made)
        for name, position in self._compiler.annotation_col_map.items():
            setattr(made, name, row[position])
        return made

    @cached_property
    def _of_model(self) -> tuple[type[M], list[str], slice, list[Any]]:
        """Which columns are the model's own, and what makes the related objects."""
        compiler = self._compiler
        given: Any = compiler.klass_info
        start, end = given["select_fields"][0], given["select_fields"][-1] + 1
        names = [column[0].target.attname for column in compiler.select[start:end]]
        related = get_related_populators(given, compiler.select, self._db)  # type: ignore[call-arg]  # the stubs are of a later Django
        return given["model"], names, slice(start, end), related
