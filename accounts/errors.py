"""Errors of the API as JSON: `{"detail", "code"}`, plus `fields` for validation.

Domain errors anywhere in the code carry `code`, `status` and a sentence; they need no
entry here. docs/errors.md is the table.

    APIError                 a refusal with a stable code
    Django's ValidationError what services raise, as DRF's
    DRF's APIException       mapped by class
    anything else            not ours: Django's 500 handler answers
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.http import Http404
from django_stubs_ext import StrPromise
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import set_rollback

_CODES: dict[type[exceptions.APIException], str] = {
    exceptions.ParseError: "bad_request",
    exceptions.AuthenticationFailed: "unauthenticated",
    exceptions.NotAuthenticated: "unauthenticated",
    exceptions.PermissionDenied: "forbidden",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "rate_limited",
}


class APIError(Exception):
    """A refusal. Subclasses set `code` and `status`; `detail` is for a person, in the
    language that is in force when it is shown, if it was given as a lazy text: turns
    are started where no language is."""

    code = "error"
    status = 400

    def __init__(
        self,
        detail: str | StrPromise,
        *,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self._detail = detail
        self.retry_after = retry_after
        self.headers = headers or {}

    @property
    def detail(self) -> str:
        return str(self._detail)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER; also used by the streaming view."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, ValidationError):
        error = exceptions.ValidationError(as_serializer_error(error))
    response = _answer(error)
    if response is not None:
        set_rollback()
    return response


def _answer(error: Exception) -> Response | None:
    if isinstance(error, APIError):
        response = _response(error.status, error.detail, error.code, error.retry_after)
        for name, value in error.headers.items():
            response[name] = value
        return response
    if isinstance(error, OperationalError):
        return _response(
            status.HTTP_503_SERVICE_UNAVAILABLE,
            "The database is busy or away. Try again in some seconds.",
            "database_unavailable",
            5,
        )
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error)
    if isinstance(error, exceptions.APIException):
        code = next(
            (code for kind, code in _CODES.items() if isinstance(error, kind)), "error"
        )
        wait = getattr(error, "wait", None)
        response = _response(error.status_code, _sentence(error.detail), code, wait)
        if code == "unauthenticated":
            response.status_code = status.HTTP_401_UNAUTHORIZED
            response["WWW-Authenticate"] = "Bearer"
        return response
    return None


def _response(
    status_code: int, detail: str, code: str, retry_after: float | None = None
) -> Response:
    response = Response({"detail": detail, "code": code}, status=status_code)
    if retry_after is not None:
        response["Retry-After"] = str(math.ceil(retry_after))
    return response


def _invalid(error: exceptions.ValidationError) -> Response:
    fields = error.detail if isinstance(error.detail, dict) else {}
    body: dict[str, Any] = {"detail": _first(error.detail), "code": "invalid"}
    if fields:
        body["fields"] = fields
    return Response(body, status=status.HTTP_400_BAD_REQUEST)


def _first(detail: Any, name: str = "") -> str:
    """The first message, led by the field it belongs to."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            inner = "" if key in {"non_field_errors", "detail"} else str(key)
            return _first(value, inner or name)
    if isinstance(detail, list) and detail:
        return _first(detail[0], name)
    return f"{name}: {detail}" if name else str(detail)


def _sentence(detail: Any) -> str:
    return _first(detail)
