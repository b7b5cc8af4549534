"""Wiring: settings, addresses, servers. Decides nothing that belongs to an app."""
