"""Django's own error pages: JSON for programs, a page for people."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from tenants.middleware import PROGRAMS


def _answer(
    request: HttpRequest, status: int, code: str, detail: str, template: str = ""
) -> HttpResponse:
    if request.path.startswith(PROGRAMS):
        return JsonResponse({"detail": detail, "code": code}, status=status)
    return render(
        request, template or f"{status}.html", {"detail": detail}, status=status
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    detail = "The request cannot be understood."
    return _answer(request, 400, "bad_request", detail)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, "forbidden", "You may not do that.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, "not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    detail = "Something went wrong here. It has been noted; please try again."
    return _answer(request, 500, "internal_error", detail)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    detail = "This form is out of date. Load the page again and repeat."
    return _answer(request, 403, "csrf_failed", detail, "403_csrf.html")
