"""Search: as JSON for programs, and as a page that works without scripts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import APIError
from accounts.models import User
from accounts.pagination import Pagination
from chat.search.finding import find, show
from chat.serializers import SearchResultSerializer, SearchSerializer
from chat.views.api import person

SHOWN = 20


class SearchView(generics.GenericAPIView[Any]):
    """Search the titles and messages I may see, archived ones and all branches too.

    Words must all be there, the last one at least by its beginning; `"a phrase"`,
    `-without`, `this or that`. Titles come first; then messages, of which 300 that
    match are ranked and counted, from the conversations last written in.
    """

    serializer_class = SearchResultSerializer

    @extend_schema(
        operation_id="search",
        parameters=[
            OpenApiParameter(
                "q", str, required=True, description="1 to 200 characters."
            ),
            OpenApiParameter("limit", int, description="1 to 100, 20 if left out."),
            OpenApiParameter("offset", int, description="How many to skip."),
        ],
        responses=SearchResultSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = SearchSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        paginator = Pagination()
        found = find(person(request), asked.validated_data["q"])
        page = paginator.paginate_queryset(found.hits, request, view=self)
        results = show(found.search, page or [])
        return paginator.get_paginated_response(
            self.get_serializer(results, many=True).data
        )


@login_required
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """`q` and `offset`, as a form and its links give them."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    typed = request.GET.get("q", "")
    context: dict[str, object] = {"q": typed, "results": [], "notice": "", "more": ""}
    if typed.strip():
        context |= _results(request.user, typed, request.GET.get("offset", ""))
    return render(request, "chat/search_page.html", context)


@login_required
@require_GET
def results(request: HttpRequest) -> HttpResponse:
    """The first of them, for a field that searches while somebody types."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    typed = request.GET.get("q", "")
    found = _results(request.user, typed, "") if typed.strip() else {}
    return render(request, "chat/_search_found.html", {"q": typed, **found})


def _results(user: User, typed: str, wanted: str) -> dict[str, object]:
    asked = SearchSerializer(data={"q": typed})
    if not asked.is_valid():
        return {"notice": str(asked.errors["q"][0])}
    offset = (
        int(wanted)
        if wanted.isascii() and wanted.isdecimal() and len(wanted) < 6
        else 0
    )
    try:
        found = find(user, asked.validated_data["q"])
    except ValidationError as error:
        return {"notice": error.messages[0]}
    except APIError as error:
        return {"notice": error.detail}
    more = urlencode({"q": typed, "offset": offset + SHOWN})
    return {
        "results": show(found.search, found.hits[offset : offset + SHOWN]),
        "count": len(found.hits),
        "more": more if len(found.hits) > offset + SHOWN else "",
    }
