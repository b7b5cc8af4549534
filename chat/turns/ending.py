"""Ending a conversation's turn from outside, and waiting until its reply is stored.

The waiting happens in the event loop: the turn that is waited for needs the same few
database threads and connections to come to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from asgiref.sync import async_to_sync

from accounts.models import User
from chat.errors import TurnRunningError
from chat.services.conversations import ask_to_stop, running_turns
from chat.services.recovering import recover_turn
from chat.services.tree import delete_message
from chat.turns.background import get_background
from tenants.db import Scope, release, scope, unit

# A process that has not ended a turn by then is dead, or has lost the database.
PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.2


async def stop_turns(target: Scope, conversation_id: str) -> None:
    """Stop what runs in a conversation and come back when its reply is stored.

    Raises TurnRunningError if the process that runs it lives but does not answer.
    """
    background = get_background()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    waiting = await unit(target, ask_to_stop, conversation_id)
    while waiting:
        here = [background.runner.turn(target.schema_name, t) for t in waiting]
        for live in here:
            if live is not None:
                live.end("stopped")
        # One that is over is not stored yet, or the database is away.
        ended = {live.over for live in here if live and not live.over.done()}
        if len(ended) == len(here):
            await asyncio.wait(ended, timeout=max(0.0, deadline - loop.time()))
        else:
            await asyncio.sleep(_POLL_SECONDS)
        waiting = await unit(target, running_turns, conversation_id)
        if waiting and loop.time() > deadline:
            for turn_id in waiting:
                if not await unit(target, recover_turn, turn_id=turn_id):
                    raise TurnRunningError
            return


def stop_turns_and_wait(conversation_id: str) -> None:
    """For sync views: as `stop_turns`, for the current tenant. Gives this thread's
    connection back first, since others need it meanwhile."""
    release()
    async_to_sync(stop_turns)(scope(), conversation_id)


def stop_many_and_wait(conversation_ids: Sequence[str]) -> set[str]:
    """As `stop_turns_and_wait`, all at once; the ids of those that could not be
    stopped."""
    release()
    return async_to_sync(_stop_many)(scope(), conversation_ids)


async def _stop_many(target: Scope, conversation_ids: Sequence[str]) -> set[str]:
    stopped = await asyncio.gather(
        *(stop_turns(target, each) for each in conversation_ids),
        return_exceptions=True,
    )
    stuck: set[str] = set()
    for conversation_id, failure in zip(conversation_ids, stopped, strict=True):
        if isinstance(failure, TurnRunningError):
            stuck.add(conversation_id)
        elif failure is not None:
            raise failure
    return stuck


def delete_stopping(*, user: User, conversation_id: str, message_id: str) -> None:
    """For sync views: as `delete_message`, but a reply among what is removed that is
    still being written is stopped first."""
    delete = partial(
        delete_message,
        user=user,
        conversation_id=conversation_id,
        message_id=message_id,
    )
    try:
        delete()
    except TurnRunningError:
        stop_turns_and_wait(conversation_id)
        delete()
