"""Persona: which provider is asked, with which key, in whose words."""
