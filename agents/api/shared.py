"""What the views of this package have in common."""

from __future__ import annotations

import math
from typing import Any

from rest_framework.response import Response

from llm.errors import LLMError


def asked(serializer: Any) -> dict[str, Any]:
    """The fields of a request; raises DRF's ValidationError."""
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields


def failed(error: LLMError) -> Response:
    """The answer where a provider did not give one."""
    body = {"detail": error.text, "code": error.code}
    response = Response(body, status=error.status)
    if error.retry_after:
        response["Retry-After"] = str(math.ceil(error.retry_after))
    return response
