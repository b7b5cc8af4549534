"""The page of the API's documentation: Swagger UI from our own static files."""

from __future__ import annotations

from typing import Any

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularSwaggerSplitView

# Swagger UI writes style attributes; its scripts come from files (split view).
_STYLES = {"style-src": ["'unsafe-inline'"]}


@method_decorator(csp_update(_STYLES), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    url_name = "schema"
    permission_classes: list[Any] = []
