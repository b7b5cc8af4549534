"""One ContentType cache for each schema.

Django keeps one per process, but the ids are made by each schema's own migrations and
may differ: two threads in two tenants would hand each other wrong ids.
"""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentTypeManager

from tenants.db import current

_caches: dict[str, dict[Any, Any]] = {}


class _PerSchema:
    """A data descriptor that stands in for `ContentTypeManager._cache`."""

    def __get__(self, manager: Any, owner: type | None = None) -> dict[Any, Any]:
        scope = current.get()
        return _caches.setdefault(scope.schema_name if scope else "", {})

    def __set__(self, manager: Any, value: object) -> None:
        """The manager's __init__ assigns an empty dict; ours are made on demand."""


def separate_content_type_caches() -> None:
    ContentTypeManager._cache = _PerSchema()  # type: ignore[attr-defined]  # private
