"""How a person wants the pages: colours, size of text, language.

Kept in the person's row and repeated in a cookie, so that pages that may not ask the
database (sign-in, refusals, errors) look the same, and nothing flashes.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation

from accounts.models import User

COOKIE = "preferences"


@dataclass(frozen=True, slots=True)
class Preferences:
    """`language` is empty where the browser chooses."""

    theme: str = User.Theme.SYSTEM
    text_size: str = User.TextSize.NORMAL
    language: str = ""

    @classmethod
    def of(cls, user: User) -> Preferences:
        return cls(user.theme, user.text_size, user.language)

    @classmethod
    def from_cookie(cls, cookie: str) -> Preferences:
        """What cannot be read is as if nothing had been chosen."""
        if not cookie:
            return _NOTHING_CHOSEN
        theme, _, rest = cookie.partition(".")
        text_size, _, language = rest.partition(".")
        return cls(
            theme if theme in User.Theme.values else User.Theme.SYSTEM,
            text_size if text_size in User.TextSize.values else User.TextSize.NORMAL,
            language if language in dict(settings.LANGUAGES) else "",
        )

    def as_cookie(self) -> str:
        return f"{self.theme}.{self.text_size}.{self.language}"


_NOTHING_CHOSEN = Preferences()


def language_for(request: HttpRequest) -> str:
    """What a file is written in for the signed-in person who asks for it, at whatever
    address."""
    return getattr(request.user, "language", "") or language_of(request)


def language_of(request: HttpRequest) -> str:
    """What a page is written in for whom this request comes from."""
    chosen = Preferences.from_cookie(request.COOKIES.get(COOKIE, ""))
    return chosen.language or translation.get_language_from_request(request)
