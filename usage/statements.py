"""A month's statement, to be billed by: lines by model, then by person."""

from __future__ import annotations

from typing import Any, Final, Literal

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from printing.pdf import printer
from tenants.db import Scope, release
from usage.exporting import csv_lines
from usage.periods import Span, today
from usage.pricing import CURRENCY, cost_text
from usage.querysets import Sums
from usage.summaries import Group, Used, summarise

_SECTIONS: Final[tuple[Group, ...]] = ("model", "user", "agent", "key")
_COLUMNS: Final = (
    "calls",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "total_tokens",
    "unpriced_tokens",
)


def statement_response(
    target: Scope, span: Span, form: Literal["csv", "html", "pdf"]
) -> HttpResponse:
    """As a download (CSV, PDF), or a page to read. A PDF takes seconds, in which no
    database connection is held. Raises ExportBusyError, PdfTooLongError,
    PdfUnavailableError."""
    if form == "html":
        content = statement(target, span)
        return HttpResponse(render_to_string("usage/statement.html", content))
    if form == "csv":
        kind, file = "text/csv; charset=utf-8", _csv(statement(target, span))
    else:
        with printer() as print_pdf:
            content = statement(target, span)
            page = render_to_string("usage/statement_print.html", content)
            release()
            kind, file = "application/pdf", print_pdf(page)
    name = f"statement-{target.slug}-{span.first:%Y-%m}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(file, content_type=kind, headers=headers)


def statement(target: Scope, span: Span) -> dict[str, Any]:
    """What the template and the file show; `is_final` once the month is over."""
    used = Used.by_all(span.first, span.last)
    sections: list[tuple[str, list[Sums]]] = []
    totals: Sums = {}
    for group in _SECTIONS:
        totals, lines = summarise(used, group)
        sections.append((group, lines))
    return {
        "tenant": target,
        "span": span,
        "currency": CURRENCY,
        "made_at": timezone.now().astimezone(span.zone),
        "is_final": today().first > span.last,
        "totals": totals,
        "sections": sections,
    }


def _csv(content: dict[str, Any]) -> bytes:
    rows: list[list[object]] = [["group", "id", "name", *_COLUMNS, "cost", "currency"]]
    for group, lines in content["sections"]:
        rows += [_line(group, line["key"], line["label"], line) for line in lines]
    rows.append(_line("total", None, "", content["totals"]))
    return csv_lines(rows)


def _line(group: str, key: str | None, label: str, sums: Sums) -> list[object]:
    counts = [sums[name] for name in _COLUMNS]
    return [group, key, label, *counts, cost_text(sums["cost"]), CURRENCY]
