"""What is mine, to take along or to bring: the page about export and import; and the
page about the keyboard."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods
from rest_framework.exceptions import ValidationError

from accounts.errors import APIError
from accounts.views import signed_in
from chat.views.exports import take_file


# The token is checked here and not by the middleware, which would read the whole file
# in the event loop to find it.
@csrf_exempt
@login_required
@require_http_methods(["GET", "POST"])
@csrf_protect
def data(request: HttpRequest) -> HttpResponse:
    """POST imports a file and shows what became of it."""
    context: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        try:
            file = request.FILES.get("file")
            if not isinstance(file, UploadedFile):
                context["notice"], status = _("Choose a file first."), 400
            else:
                context["report"] = take_file(owner=signed_in(request), file=file)
        except APIError as error:
            context["notice"], status = error.detail, error.status
        except ValidationError as error:
            context["notice"], status = _first(error.detail), 400
    return render(request, "settings/data.html", context, status=status)


def _first(detail: Any) -> str:
    while isinstance(detail, dict | list):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail))
    return str(detail)


@login_required
@require_GET
def shortcuts(request: HttpRequest) -> HttpResponse:
    return render(request, "settings/shortcuts.html")
