"""Meter: what every call to a provider used and cost. Outlives conversations."""
