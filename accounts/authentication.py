"""Who calls the API: an API key as Bearer, or the page's session with CSRF.

Used by DRF's views and, inside its database unit, by the streaming view.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts.models import ApiKey, User
from accounts.services import LAST_USED_STEP, mark_used


class ApiKeyAuthentication(TokenAuthentication):  # type: ignore[misc]  # untyped
    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiKey]:
        if not token.isascii() or b"\x00" in token:  # knox would fail to look it up
            raise exceptions.AuthenticationFailed("Invalid token.")
        user, key = super().authenticate_credentials(token)
        used = key.last_used_at
        if used is None or used < timezone.now() - LAST_USED_STEP:
            mark_used(key=key)
        return user, key

    def _cleanup_token(self, auth_token: ApiKey) -> bool:
        """knox walks over all keys of the person here; one's own expiry will do."""
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class SessionAuthentication(authentication.SessionAuthentication):
    def enforce_csrf(self, request: Request) -> None:
        # Django's own request: DRF's parses the body to look for a form's field,
        # which needs a parser and, for JSON, finds nothing.
        django_request: Any = request._request
        super().enforce_csrf(django_request)

    def authenticate_header(self, request: Request) -> str:
        # DRF asks only the first class for this header; said here too, so that the
        # order of the two can never turn a 401 into a 403.
        return "Bearer"


class _ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class _SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
