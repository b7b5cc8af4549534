"""Who calls the API: an API key as Bearer, or the page's session with CSRF.

Used by DRF's views and, inside its database unit, by the streaming view.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts.models import ApiKey, User
from accounts.services import LAST_USED_STEP, mark_used
from tenants.prepared import Prepared, hole

_KEY_BY_DIGEST = Prepared(
    lambda: ApiKey.objects.filter(digest=hole(0, str)).select_related("user")[:1]
)


class ApiKeyAuthentication(TokenAuthentication):  # type: ignore[misc]  # untyped
    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiKey]:
        """As knox's, which looks for the beginning of a key and compares then; here a
        query that is built once finds its hash."""
        key = _KEY_BY_DIGEST.first(hash_token(token.decode("utf-8", "replace")))
        now = timezone.now()
        if key is None or (key.expiry is not None and key.expiry < now):
            raise exceptions.AuthenticationFailed("Invalid token.")
        user, _ = self.validate_user(key)
        if key.last_used_at is None or key.last_used_at < now - LAST_USED_STEP:
            mark_used(key=key)
        return user, key


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
