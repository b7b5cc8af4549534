"""Writes of the meter; each module has one noun of it."""

from usage.services.granting import Grant
from usage.services.prices import price_for
from usage.services.recording import (
    CallMade,
    Subject,
    record_calls,
    record_correction,
    record_test,
)
from usage.services.reserving import release_lapsed, reserve, reserve_call
from usage.services.settling import Alert, settle

__all__ = [
    "Alert",
    "CallMade",
    "Grant",
    "Subject",
    "price_for",
    "record_calls",
    "record_correction",
    "record_test",
    "release_lapsed",
    "reserve",
    "reserve_call",
    "settle",
]
