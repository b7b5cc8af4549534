"""Agents, providers and their admin."""
