"""Measurements of docs/performance.md, run by `make bench`."""
