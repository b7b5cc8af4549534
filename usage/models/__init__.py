"""The meter's tables: the ledger, and what is derived from it or decided about it."""

from usage.models.budgets import Budget, BudgetPeriod, Reservation
from usage.models.ledger import UsageRecord
from usage.models.prices import PriceRule
from usage.models.rollups import DailyUsage, MonthlyUsage
from usage.models.settings import RateCounter, UsageSettings

__all__ = [
    "Budget",
    "BudgetPeriod",
    "DailyUsage",
    "MonthlyUsage",
    "PriceRule",
    "RateCounter",
    "Reservation",
    "UsageRecord",
    "UsageSettings",
]
