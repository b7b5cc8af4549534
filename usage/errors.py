"""Refusals of the meter, before a provider is called. docs/errors.md lists them."""

from __future__ import annotations

from accounts.errors import APIError


class BudgetExceededError(APIError):
    code = "budget_exceeded"
    status = 429


class RateLimitedError(APIError):
    code = "rate_limited"
    status = 429
