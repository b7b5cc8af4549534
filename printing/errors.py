"""Refusals to print. docs/errors.md lists them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from accounts.errors import APIError


class ExportBusyError(APIError):
    code = "export_busy"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            _("Others are exporting or importing right now."), retry_after=10
        )


class PdfUnavailableError(APIError):
    code = "pdf_unavailable"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            _(
                "This server cannot print PDF now; choose HTML, which any browser "
                "prints."
            ),
            retry_after=60,
        )


class PdfTooLongError(APIError):
    code = "pdf_too_long"
    status = 413

    def __init__(self) -> None:
        super().__init__(
            _(
                "This is too long for a PDF. Choose HTML, which any browser prints, or "
                "of a conversation the active branch alone."
            )
        )
