"""Sessions in the tenant's schema (setting SESSION_ENGINE): Django's, but for the keys
they are asked for.

Both the middleware and web sockets make their store from a cookie, so what a cookie may
say is decided here.
"""

from __future__ import annotations

import re

from django.contrib.sessions.backends import db

# Django makes keys of 32 lower-case letters and digits; its column has room for 40.
_KEY = re.compile("[a-z0-9]{8,40}")


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """Django's asks for the length only; a quoted cookie can carry a NUL, which
        PostgreSQL refuses. What is no key counts as no session."""
        return key is not None and _KEY.fullmatch(key) is not None
