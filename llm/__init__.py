"""The engine: prompts in, events out. Plain Python; knows no Django and no tenant."""

from llm._litellm import close_connections, is_loaded, preload

__all__ = ["close_connections", "is_loaded", "preload"]
