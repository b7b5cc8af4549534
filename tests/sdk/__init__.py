"""Tests with the clients of others, as npm has them."""
