"""Writes that touch more than one row. All run inside a database unit or sync view."""
