"""Language, look and time zone of a page, from cookies and the browser's wishes.

Django's LocaleMiddleware would hold a thread as long as a stream lives; this one runs
in the loop and asks no database.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from accounts.preferences import COOKIE, Preferences, language_of
from tenants.middleware import PROGRAMS, AsyncMiddleware

# static/js/around/frame.js sets it to the browser's own.
ZONE_COOKIE = "zone"
_YEAR = 60 * 60 * 24 * 365


class PreferencesMiddleware(AsyncMiddleware):
    """Sets `request.preferences`, and for pages the language and zone in force."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        chosen = Preferences.from_cookie(request.COOKIES.get(COOKIE, ""))
        request.preferences = chosen  # type: ignore[attr-defined]  # ours
        if request.path.startswith(PROGRAMS) and not _is_for_page(request):
            return await self.get_response(request)
        # No reset afterwards: every request runs in a context of its own.
        translation.activate(language_of(request))
        timezone.activate(
            _zone(request.COOKIES.get(ZONE_COOKIE, "")) or settings.TIME_ZONE
        )
        response = await self.get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Language", translation.get_language())
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
        _renew(request, response, chosen)
        return response


def _is_for_page(request: HttpRequest) -> bool:
    """Our own page asks for replies as HTML, and shows what it is refused with."""
    return request.GET.get("render") == "html"


@lru_cache(maxsize=512)
def _zone(cookie: str) -> ZoneInfo | None:
    """What no zone is called by, is as if nothing had been said."""
    try:
        return ZoneInfo(unquote(cookie)) if len(cookie) < 100 else None
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


def _renew(
    request: HttpRequest, response: HttpResponseBase, chosen: Preferences
) -> None:
    """Bring the cookie up to date where the person is known by now: at sign-in, or
    when they have chosen anew, on this device or another."""
    person = _known_person(request)
    if person is None or Preferences.of(person) == chosen:
        return
    response.set_cookie(
        COOKIE,
        Preferences.of(person).as_cookie(),
        max_age=_YEAR,
        secure=settings.SECURE_COOKIES,
        httponly=True,
        samesite="Lax",
    )


def _known_person(request: HttpRequest) -> User | None:
    """Whom the request has looked up; never looks up itself, here in the loop."""
    person = vars(request).get("user")
    if isinstance(person, SimpleLazyObject):
        person = vars(request).get("_cached_user")
    return person if isinstance(person, User) else None
