"""The ledger as a file: any period, in constant memory.

Read page by page, each in a unit of its own, so that a slow reader holds neither a
connection nor a thread. Records are never changed and the last one is fixed at the
start, so the pages make one whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.db.models import Max
from django.db.models.expressions import RawSQL
from django.http import StreamingHttpResponse
from rest_framework.renderers import JSONRenderer

from tenants.db import Scope, unit
from usage.models import UsageRecord
from usage.pricing import cost_text
from usage.querysets import LedgerQuerySet
from usage.serializers import RecordSerializer

Format = Literal["csv", "json"]
_PAGE: Final = 2_000
_COLUMNS: Final = RecordSerializer.Meta.fields
# Spreadsheets take a cell that begins so for a formula, some the wide letters too;
# nobody is harmed by a number.
_FORMULA: Final = re.compile(
    r"(?!-[0-9]+(\.[0-9]+)?\Z)[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page ended, and the newest record there was at the start."""

    created_at: datetime | None
    record_id: int
    newest: int


def export_response(
    target: Scope, records: LedgerQuerySet, form: Format, name: str
) -> StreamingHttpResponse:
    """A download of these records, oldest first."""
    kind = {"csv": "text/csv; charset=utf-8", "json": "application/json"}[form]
    return StreamingHttpResponse(
        _pages(target, records, form),
        content_type=kind,
        headers={
            "Content-Disposition": f'attachment; filename="{name}.{form}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _pages(
    target: Scope, records: LedgerQuerySet, form: Format
) -> AsyncGenerator[bytes, None]:
    place: _Place | None = None
    yield (",".join(_COLUMNS) + "\r\n").encode() if form == "csv" else b"["
    while True:
        rows, after = await unit(target, _page, records, form, place)
        if after is None:
            break
        # Between the pages, as between their records.
        yield b"," + rows if form == "json" and place else rows
        place = after
    if form == "json":
        yield b"]\n"


def _page(
    records: LedgerQuerySet, form: Format, place: _Place | None
) -> tuple[bytes, _Place | None]:
    """The next records as bytes, and where they end; None after the last page."""
    if place is None:
        newest = UsageRecord.objects.aggregate(newest=Max("pk"))["newest"] or 0
        place = _Place(None, 0, newest)
    found = records.filter(pk__lte=place.newest).order_by("created_at", "pk")
    if place.created_at is not None:
        # As one comparison, which the index answers.
        found = found.annotate(
            later=RawSQL(
                "(created_at, id) > (%s, %s)", [place.created_at, place.record_id]
            )
        ).filter(later=True)
    page = list(found[:_PAGE])
    if not page:
        return b"", None
    last = page[-1]
    rows = _csv(page) if form == "csv" else _json(page)
    return rows, _Place(last.created_at, last.pk, place.newest)


def _json(page: list[UsageRecord]) -> bytes:
    shown: bytes = JSONRenderer().render(RecordSerializer(page, many=True).data)
    return shown[1:-1]


def _csv(page: list[UsageRecord]) -> bytes:
    return csv_lines([_cell(record, name) for name in _COLUMNS] for record in page)


def csv_lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows of a CSV file; texts that a spreadsheet would take for formulas are made
    harmless."""
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _harmless(cell: object) -> object:
    is_formula = isinstance(cell, str) and _FORMULA.match(cell)
    return f"'{cell}" if is_formula else cell


def _cell(record: UsageRecord, name: str) -> Any:
    value = getattr(record, name)
    if isinstance(value, datetime):
        return value.isoformat()
    return cost_text(value) if name == "cost" else value
