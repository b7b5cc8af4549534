"""The meter's tables: the ledger, and what is derived from it or decided about it."""

from usage.models.ledger import UsageRecord

__all__ = ["UsageRecord"]
