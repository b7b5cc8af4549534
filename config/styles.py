"""Style sheets of a page joined into one: a request instead of several, and no build.

`{% styles "chat" %}` gives the address, which has the content's digest in it; so
browsers may keep the answer for good.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache, partial
from pathlib import Path
from typing import Final

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

# In this order; the later ones build on the earlier.
SHEETS: Final = {
    "chat": (
        "base",
        "fields",
        "reply",
        "special",
        "frame",
        "preview",
        "chat",
        "controls",
        "chooser",
        "places",
        "sharing",
        "output",
    ),
    "pages": ("base", "fields", "frame", "preview", "pages", "sharing", "output"),
}
_KEPT = "public, max-age=31536000, immutable"

register = template.Library()


def _read(name: str) -> bytes:
    paths = [str(finders.find(f"css/{part}.css")) for part in SHEETS[name]]
    text = b"\n".join(Path(path).read_bytes() for path in paths)
    # Comments and indentation are for those who read the files.
    return re.sub(rb"\n\s+", b"\n", re.sub(rb"/\*.*?\*/", b"", text, flags=re.DOTALL))


_remembered = cache(_read)
# A fifth of the bytes, and nothing secret in them that an attacker could measure.
_packed = cache(partial(gzip.compress, mtime=0))


def _content(name: str) -> bytes:
    return _read(name) if settings.DEBUG else _remembered(name)


def _digest(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:12]


@register.simple_tag
def styles(name: str) -> str:
    return reverse("styles", args=[name, _digest(name)])


@require_safe
def sheet(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """Any digest is answered with what there is now, but only its own for good: during
    an update a page of one version may ask the other."""
    if name not in SHEETS:
        raise Http404
    cached = _KEPT if digest == _digest(name) else "no-cache"
    headers = {"Cache-Control": cached, "Vary": "Accept-Encoding"}
    content = _content(name)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        content, headers["Content-Encoding"] = _packed(content), "gzip"
    return HttpResponse(content, "text/css; charset=utf-8", headers=headers)
