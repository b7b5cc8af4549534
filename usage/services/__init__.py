"""Writes of the meter; each module has one noun of it."""

from usage.services.recording import Subject, record_call, record_correction

__all__ = ["Subject", "record_call", "record_correction"]
