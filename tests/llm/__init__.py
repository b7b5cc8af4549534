"""Tests of the engine; they need no Django and no database."""
