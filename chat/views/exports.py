"""Conversations as files, and files as conversations."""

from __future__ import annotations

from collections.abc import Iterable
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone, translation
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.preferences import language_for
from chat.errors import TooLargeError
from chat.exporting.archive import archive
from chat.exporting.files import attachment
from chat.exporting.making import FORMATS, make_file
from chat.exporting.transcript import conversation_for_export
from chat.services.importing import Report, import_file
from chat.views.api import one_of, person
from printing.errors import ExportBusyError
from tenants.db import scope

# What an opened file may do: nothing. It has styles of its own and no scripts.
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
# At once in one process: each holds a connection of the pool.
IMPORT_LIMIT = 2
_imports = BoundedSemaphore(IMPORT_LIMIT)


class FileNegotiation(BaseContentNegotiation):
    """`format` is a parameter of ours here, and `Accept` is whatever a browser sends
    for a download; only errors are rendered."""

    def select_parser(
        self, request: Request, parsers: Iterable[BaseParser]
    ) -> BaseParser | None:
        return next(iter(parsers), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type or ""


class ConversationExportView(APIView):
    content_negotiation_class = FileNegotiation

    @extend_schema(
        parameters=[
            OpenApiParameter("format", str, enum=FORMATS, default="json"),
            OpenApiParameter("branch", str, enum=["active", "all"], default="active"),
        ],
        responses={
            (200, kind): OpenApiResponse(OpenApiTypes.BINARY, description="The file.")
            for kind in (
                "application/json",
                "text/markdown",
                "text/html",
                "application/pdf",
            )
        },
    )
    def get(self, request: Request, conversation_id: str) -> HttpResponse:
        """The conversation as a file. JSON is complete and can be imported again."""
        kind = one_of(request, "format", FORMATS)
        whole = one_of(request, "branch", ("active", "all")) == "all"
        conversation = conversation_for_export(person(request), conversation_id)
        with translation.override(language_for(request)):
            made = make_file(
                conversation, kind, whole=whole, exported_at=timezone.now()
            )
        headers = attachment(conversation.title, made.extension)
        if kind == "html":
            headers["Content-Security-Policy"] = _SANDBOX
        return HttpResponse(made.content, made.content_type, headers=headers)


class ArchiveExportView(APIView):
    content_negotiation_class = FileNegotiation

    @extend_schema(
        responses={
            (200, "application/zip"): OpenApiResponse(
                OpenApiTypes.BINARY, description="A JSON file for each conversation."
            )
        }
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """All my conversations, archived ones too, as a zip that can be imported
        again. It is made while it is sent."""
        now = timezone.now()
        return StreamingHttpResponse(
            archive(scope(), person(request).pk, now),
            content_type="application/zip",
            headers=attachment(f"conversations {now:%Y-%m-%d}", "zip"),
        )


class ImportSerializer(serializers.Serializer[None]):
    file = serializers.FileField()


class SkippedSerializer(serializers.Serializer[None]):
    title = serializers.CharField()
    reason = serializers.CharField()


class ReportSerializer(serializers.Serializer[None]):
    imported = serializers.IntegerField()
    skipped = SkippedSerializer(many=True)


class ImportView(APIView):
    parser_classes = [MultiPartParser]

    @extend_schema(
        request={"multipart/form-data": ImportSerializer}, responses=ReportSerializer
    )
    def post(self, request: Request) -> Response:
        """Take the conversations of an export file: our JSON or zip, ChatGPT's or
        Claude's conversations.json or the zip it came in. Each becomes a new one."""
        file = request.FILES.get("file")
        if not isinstance(file, UploadedFile):
            raise ValidationError({"file": ["Send the file as multipart/form-data."]})
        return Response(take_file(owner=person(request), file=file))


def take_file(*, owner: User, file: UploadedFile[Any]) -> Report:
    """Import an uploaded file, within the limits of size and of imports at once."""
    if file.file is None:
        raise ValidationError({"file": ["Send the file as multipart/form-data."]})
    if (file.size or 0) > settings.IMPORT_MAX_BYTES:
        limit = settings.IMPORT_MAX_BYTES // 1024**2
        raise TooLargeError(
            format_lazy(_("The file is too large; the limit is {} MiB."), limit)
        )
    if not _imports.acquire(blocking=False):
        raise ExportBusyError
    try:
        return import_file(owner=owner, file=file.file)
    finally:
        _imports.release()
