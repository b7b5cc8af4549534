"""Django's middleware, kept in the event loop.

As it comes, each of these runs its hooks in the request's own thread, which then lives
as long as the response: one thread a stream. None of them does I/O in these hooks but
the session's save, so here they run where the request runs.
"""

from __future__ import annotations

import asyncio
import gzip
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from csp import middleware as csp
from csp.constants import HEADER
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware import clickjacking, common, csrf, security
from django.middleware.gzip import GZipMiddleware
from django.utils.functional import cached_property
from servestatic.middleware import ServeStaticMiddleware
from servestatic.responders import StaticFile

from config import statics
from tenants.db import scope, unit
from tenants.middleware import PROGRAMS, AsyncMiddleware

# What is worth compressing.
_TEXTS = ("text/", "application/json", "image/svg+xml")
# Bytes that are compressed in the loop, which takes less than a millisecond; a thread
# does it for more, so that no stream waits.
_IN_LOOP_MAX = 32 * 1024


class RequestIdMiddleware(AsyncMiddleware):
    """One id for all log lines of a request, told to the client; and limits on what
    a request may carry."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)
        refusal = _refusal(request)
        response = refusal or await self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        return response


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    """What is refused whatever the address: a text of PostgreSQL has no NUL, and
    neither a converter nor the admin's filters ask for one."""
    limit = settings.LARGE_REQUESTS.get(
        request.path, settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    )
    if _body_size(request) > limit:
        detail = f"The request is too large; the limit is {limit // 1024} KiB."
        return JsonResponse({"detail": detail, "code": "too_large"}, status=413)
    if "\x00" in request.path:
        detail = "There is nothing at this address."
        return JsonResponse({"detail": detail, "code": "not_found"}, status=404)
    # Still in percent signs, which are taken away once only.
    if "%00" in request.META["QUERY_STRING"]:
        detail = "The address contains a NUL character."
        return JsonResponse({"detail": detail, "code": "bad_request"}, status=400)
    return None


def _body_size(request: HttpRequest) -> int:
    """Bytes received. The server has spooled the body by now; a chunked one has no
    Content-Length, so the spool is measured."""
    body: Any = request._stream  # where ASGIRequest keeps it
    if not body.seekable():  # the test client's
        return int(request.META.get("CONTENT_LENGTH") or 0)
    position = body.tell()
    size: int = body.seek(0, 2)
    body.seek(position)
    return size


class InLoop:
    """Mixed into a Django middleware whose hooks do no I/O."""

    async def __acall__(self: Any, request: HttpRequest) -> HttpResponseBase:
        early: HttpResponseBase | None = None
        if hasattr(self, "process_request"):
            early = self.process_request(request)
        response: HttpResponseBase = early or await self.get_response(request)
        if hasattr(self, "process_response"):
            response = await self.respond(request, response)
        return response

    async def respond(
        self: Any, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        answer: HttpResponseBase = self.process_response(request, response)
        return answer


class StaticMiddleware(ServeStaticMiddleware):  # type: ignore[misc]  # untyped
    """servestatic's, which is async by itself. What is text goes out compressed, from
    memory: each file is read and compressed when it is first asked for."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._compressed: WeakKeyDictionary[StaticFile, bytes] = WeakKeyDictionary()

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = statics.without_digest(request.path_info)
        of_another = name and not request.path_info.startswith(settings.STATIC_URL)
        if of_another and (found := self.files.get(settings.STATIC_URL + name)):
            # A page of another version asks. What there is now is what it gets; but not
            # to keep, for the other version may be the newer one.
            answer = await self.aserve(found, request)
            answer.headers["Cache-Control"] = "no-cache"
            return answer
        answered: HttpResponseBase = await super().__call__(request)
        return answered

    async def aserve(self, found: Any, request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase
        if self._is_worth_compressing(found, request):
            answer = await self._serve_compressed(found, request)
        else:
            answer = await super().aserve(found, request)
        return answer

    def _is_worth_compressing(self, found: Any, request: HttpRequest) -> bool:
        asked = request.META
        return (
            request.method == "GET"
            and isinstance(found, StaticFile)
            and "gzip" in asked.get("HTTP_ACCEPT_ENCODING", "")
            and "HTTP_RANGE" not in asked
            and not found.is_not_modified(asked)
            and self.media_types.get_type(_path(found)).startswith(_TEXTS)
        )

    async def _serve_compressed(
        self, found: StaticFile, request: HttpRequest
    ) -> HttpResponse:
        path, headers = found.get_path_and_headers(request.META)
        fields = {name: value for name, value in headers if value is not None}
        content = self._compressed.get(found)
        if content is None:
            if int(fields["Content-Length"]) < _IN_LOOP_MAX:
                content = _compress_file(path)
            else:
                content = await asyncio.to_thread(_compress_file, path)
            self._compressed[found] = content
        fields |= {
            "Content-Encoding": "gzip",
            "Content-Length": str(len(content)),
            "Vary": "Accept-Encoding",
        }
        return HttpResponse(content, headers=fields)

    def immutable_file_test(self, path: str, url: str) -> bool:
        return not settings.DEBUG and url.startswith(settings.STATIC_URL)


def _path(found: StaticFile) -> str:
    path: str = found.get_path_and_headers({})[0]
    return path


def _compress_file(path: str) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)


class CompressionMiddleware(InLoop, GZipMiddleware):
    """Django's, which adds some random bytes against who measures lengths, for what is
    whole. Streams pass as they are: a reader waits for each of their pieces."""

    async def respond(
        self: Any, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if response.streaming or not response.headers.get(
            "Content-Type", ""
        ).startswith(_TEXTS):
            return response
        answer: HttpResponseBase
        if len(response.content) < _IN_LOOP_MAX:  # type: ignore[attr-defined]
            answer = self.process_response(request, response)
        else:  # zlib lets go of the interpreter
            answer = await asyncio.to_thread(self.process_response, request, response)
        return answer


class SecurityMiddleware(InLoop, security.SecurityMiddleware):
    pass


class SessionMiddleware(InLoop, sessions.SessionMiddleware):
    """Reads lazily, in whichever unit asks; a changed session is saved in a unit."""

    async def respond(
        self: Any, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        session = request.session
        answer: HttpResponseBase
        if session.modified and not session.is_empty():
            answer = await unit(scope(), self.process_response, request, response)
        else:
            answer = self.process_response(request, response)
        return answer


class CommonMiddleware(InLoop, common.CommonMiddleware):
    pass


class CsrfViewMiddleware(InLoop, csrf.CsrfViewMiddleware):
    async def process_view(  # type: ignore[override]  # Django takes both kinds
        self,
        request: HttpRequest,
        callback: Callable[..., Any],
        callback_args: tuple[Any, ...],
        callback_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        return super().process_view(request, callback, callback_args, callback_kwargs)


class AuthenticationMiddleware(InLoop, auth.AuthenticationMiddleware):
    pass


class MessageMiddleware(InLoop, messages.MessageMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        # Programs have no next page on which a message could be shown.
        if not request.path.startswith(PROGRAMS):
            super().process_request(request)


class XFrameOptionsMiddleware(InLoop, clickjacking.XFrameOptionsMiddleware):
    pass


class ContentSecurityPolicyMiddleware(InLoop, csp.CSPMiddleware):
    """One policy for all pages, a wider one for the admin's."""

    # The library builds it twice for each response.
    _common = cached_property(lambda self: build_policy())

    def process_response(
        self: Any, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.path.startswith("/admin/"):
            # What csp_update leaves on a response; its decorator has no way to them.
            added = settings.ADMIN_CONTENT_SECURITY_POLICY
            response._csp_update = added  # type: ignore[attr-defined]
        elif not any(
            name.startswith("_csp") for name in (*vars(request), *vars(response))
        ):
            response.headers.setdefault(HEADER, self._common)
            return response
        answer: HttpResponseBase = super().process_response(request, response)
        return answer
