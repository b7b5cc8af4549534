"""One conversation as a file of each format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chat.exporting.document import conversation_json
from chat.exporting.html import transcript_html
from chat.exporting.markdown import transcript_markdown
from chat.exporting.transcript import messages_of, tell
from chat.models import Conversation
from printing.pdf import printer
from tenants.db import release

FORMATS = ("json", "markdown", "html", "pdf")


@dataclass(frozen=True, slots=True)
class ExportFile:
    content: bytes
    content_type: str
    extension: str


def make_file(
    conversation: Conversation, kind: str, *, whole: bool, exported_at: datetime
) -> ExportFile:
    """`kind` is one of FORMATS. A PDF takes seconds, in which no database connection is
    held. Raises ExportBusyError, PdfTooLongError, PdfUnavailableError."""
    if kind == "json":
        content = conversation_json(conversation, whole=whole, exported_at=exported_at)
        return ExportFile(content, "application/json", "json")
    messages = messages_of(conversation, whole=whole)
    transcript = tell(conversation, messages, exported_at)
    if kind == "markdown":
        text = transcript_markdown(transcript)
        return ExportFile(_bytes(text), "text/markdown; charset=utf-8", "md")
    if kind == "html":
        text = transcript_html(transcript)
        return ExportFile(_bytes(text), "text/html; charset=utf-8", "html")
    with printer() as print_pdf:
        html = transcript_html(transcript)
        release()
        return ExportFile(print_pdf(html), "application/pdf", "pdf")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
