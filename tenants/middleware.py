"""The tenant of a request, from its Host and from nowhere else.

Async on purpose: a sync middleware would hold a thread as long as a stream lives.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from tenants.db import PUBLIC, current
from tenants.hosts import Resolution, resolve

# Answered on any Host: who probes a process does not know its tenants.
ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
# Where programs ask, and are answered with JSON.
PROGRAMS = ("/api/", "/v1/")


class AsyncMiddleware:
    """Base of middleware that is async only, and so needs no thread of a request."""

    sync_capable = False
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return await self.get_response(request)


class TenantMiddleware(AsyncMiddleware):
    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path in ANY_HOST:
            request.urlconf = "config.urls_health"
            current.set(PUBLIC)
            return await self.get_response(request)
        try:
            resolution = await resolve(request.META.get("HTTP_HOST", ""))
        except OperationalError:
            return _unavailable(request)
        if resolution.scope is None or resolution.suspended:
            return _refusal(request, resolution)
        # No reset afterwards: every request runs in a context of its own, and a
        # streaming response is still being produced when this function has returned.
        current.set(resolution.scope)
        if resolution.scope is PUBLIC:
            request.urlconf = settings.PUBLIC_SCHEMA_URLCONF
        return await self.get_response(request)

    async def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """A page without a database says so; the API's views say it themselves."""
        if isinstance(exception, OperationalError):
            return _unavailable(request)
        return None


def _unavailable(request: HttpRequest) -> HttpResponse:
    detail = _("The database is busy or away. Try again in some seconds.")
    headers = {"Retry-After": "5"}
    if request.path.startswith(PROGRAMS):
        body = {"detail": detail, "code": "database_unavailable"}
        return JsonResponse(body, status=503, headers=headers)
    page = render_to_string("tenants/unavailable.html", {"detail": detail}, request)
    return HttpResponse(page, status=503, headers=headers)


def _refusal(request: HttpRequest, resolution: Resolution) -> HttpResponse:
    if resolution.suspended:
        status, code = 403, "tenant_suspended"
        detail = _("This workspace is suspended. Ask whoever runs it.")
        template = "tenants/suspended.html"
    else:
        status, code = 404, "unknown_host"
        detail = _("There is no workspace at this address.")
        template = "tenants/unknown.html"
    if request.path.startswith(PROGRAMS):
        return JsonResponse({"detail": detail, "code": code}, status=status)
    page = render_to_string(template, {"detail": detail}, request)
    return HttpResponse(page, status=status)
