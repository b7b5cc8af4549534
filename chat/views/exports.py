"""Conversations as files, and files as conversations."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from chat.exporting.files import attachment
from chat.exporting.making import FORMATS, make_file
from chat.exporting.transcript import conversation_for_export
from chat.views.api import one_of, person

# What an opened file may do: nothing. It has styles of its own and no scripts.
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"


class FileNegotiation(BaseContentNegotiation):
    """`format` is a parameter of ours here, and `Accept` is whatever a browser sends
    for a download; only errors are rendered."""

    def select_parser(
        self, request: Request, parsers: Sequence[BaseParser]
    ) -> BaseParser | None:
        return next(iter(parsers), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type or ""


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
        made = make_file(conversation, kind, whole=whole, exported_at=timezone.now())
        headers = attachment(conversation.title, made.extension)
        if kind == "html":
            headers["Content-Security-Policy"] = _SANDBOX
        return HttpResponse(made.content, made.content_type, headers=headers)
