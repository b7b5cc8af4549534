"""DRF's limit/offset lists within bounds that PostgreSQL can answer."""

from __future__ import annotations

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

# Past this an offset is a mistake; PostgreSQL's own limit is 2**63 - 1.
MAX_OFFSET = 10_000_000


class Pagination(LimitOffsetPagination):
    """`limit` 1 to 100 (20), `offset` from 0; anything else is a 400."""

    default_limit = 20
    max_limit = 100

    def get_limit(self, request: Request) -> int:
        limit = _number(request, "limit", self.default_limit, minimum=1)
        return min(limit, self.max_limit)

    def get_offset(self, request: Request) -> int:
        return _number(request, "offset", 0, minimum=0)


def _number(request: Request, name: str, default: int, *, minimum: int) -> int:
    raw = request.query_params.get(name)
    if raw is None:
        return default
    # isdecimal() is also true of other scripts' digits, which int() takes gladly.
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= 8):
        raise ValidationError({name: ["Give a whole number."]})
    number = int(raw)
    if not minimum <= number <= MAX_OFFSET:
        raise ValidationError({name: [f"Give {minimum} to {MAX_OFFSET}."]})
    return number
