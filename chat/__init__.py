"""Conversations and turns: what people say, what agents answer, how it streams."""
