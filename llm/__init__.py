"""The engine: prompts in, events out. Plain Python; knows no Django and no tenant."""

from llm import _litellm
from llm._litellm import is_loaded

__all__ = ["close_connections", "is_loaded", "preload"]


def preload() -> None:
    """Pay the costs of first calls now: some 5 s of CPU; for a thread at the start of
    a server. Needs no network; a second call costs nothing."""
    from llm.fast import warm  # aiohttp and more, which commands do not need

    _litellm.preload()
    warm()


async def close_connections() -> None:
    """Close what is kept open for the running event loop; for shutdown."""
    from llm import session

    await session.close_connections()
    await _litellm.close_connections()
