"""Reading a turn that this process does not run: from the log in PostgreSQL while it
lives, from the stored reply afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.models import User
from chat.models import RUNNING, Message, Turn
from chat.parts import events_of
from chat.services.progress import Chapter, read_progress, watch
from chat.turns.codec import ENDINGS
from chat.turns.events import (
    INTERNAL,
    Aborted,
    Completed,
    Errored,
    Opened,
    Recalled,
    TurnEvent,
)
from chat.turns.log import Readable
from chat.turns.notices import Notices
from chat.turns.runner import REPLAYABLE_SECONDS, Runner
from llm.errors import sentence
from llm.events import Usage
from tenants.db import Scope, unit

# How often to look where no notice comes, and to ask for close flushing again.
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TurnReference:
    """A turn somebody may read: whether it is over decides where."""

    turn_id: str
    running: bool


def newest_turn(user: User, conversation_id: str) -> TurnReference | None:
    """The turn that a reader who comes to a conversation should follow: the one that
    runs, or that ended a moment ago. None also for a stranger."""
    turn = (
        Turn.objects.visible_to(user)
        .filter(conversation=conversation_id)
        .order_by("-created_at")
        .first()
    )
    if turn is None:
        return None
    if turn.finished_at is not None:
        ago = (timezone.now() - turn.finished_at).total_seconds()
        if ago > REPLAYABLE_SECONDS:
            return None
    return TurnReference(turn.pk, turn.status in RUNNING)


def reference_to(turn_id: str) -> TurnReference:
    running = Turn.objects.running().filter(pk=turn_id).exists()
    return TurnReference(turn_id, running)


def source_of(
    reference: TurnReference, scope: Scope, runner: Runner, notices: Notices | None
) -> Readable:
    """The nearest place to read a turn from."""
    if live := runner.turn(scope.schema_name, reference.turn_id):
        return live.log
    if reference.running:
        return RemoteLog(scope, reference.turn_id, notices)
    return StoredReply(scope, reference.turn_id)


class RemoteLog:
    """A turn that another process runs."""

    def __init__(self, scope: Scope, turn_id: str, notices: Notices | None) -> None:
        self._scope = scope
        self._turn_id = turn_id
        self._notices = notices

    async def read(self, quiet: float) -> AsyncGenerator[list[TurnEvent], None]:
        """See `Readable.read`; through a database that is away for a while."""
        loop = asyncio.get_running_loop()
        last_news = loop.time()
        position = 0
        with self._news() as news:
            while True:
                news.clear()
                try:
                    chapter = await unit(self._scope, _look, self._turn_id, position)
                except (OperationalError, InterfaceError):
                    chapter = Chapter([], over=False)
                if chapter.events:
                    position += len(chapter.events)
                    last_news = loop.time()
                    yield chapter.events
                if chapter.over:
                    if not any(isinstance(e, ENDINGS) for e in chapter.events):
                        yield await self._ending()
                    return
                if loop.time() - last_news >= quiet:
                    last_news = loop.time()
                    yield []
                await _wait(news, _POLL_SECONDS)

    async def _ending(self) -> list[TurnEvent]:
        """The last event of a turn whose log has been cleared away."""
        events = await unit(self._scope, stored_events, self._turn_id)
        return events[-1:] or [Aborted("interrupted")]

    def _news(self) -> AbstractContextManager[asyncio.Event]:
        if self._notices is None:
            return nullcontext(asyncio.Event())
        return self._notices.news_of(self._scope.schema_name, self._turn_id)


class StoredReply:
    """A turn that is over: its reply as it was stored, in one piece."""

    def __init__(self, scope: Scope, turn_id: str) -> None:
        self._scope = scope
        self._turn_id = turn_id

    async def read(self, quiet: float) -> AsyncGenerator[list[TurnEvent], None]:
        """See `Readable.read`."""
        yield await unit(self._scope, stored_events, self._turn_id)


def stored_events(turn_id: str) -> list[TurnEvent]:
    """The events of an ended turn as its reply tells them; none if it was purged."""
    turn = (
        Turn.objects.filter(pk=turn_id)
        .select_related("reply__agent_revision", "conversation")
        .first()
    )
    if turn is None:
        return []
    reply = turn.reply
    revision = reply.agent_revision
    events: list[TurnEvent] = [
        Opened(
            message_id=reply.pk,
            conversation_id=turn.conversation_id,
            user_message_id=reply.parent_id or "",
            agent_id=revision.agent_id if revision else turn.conversation.agent_id,
            model=reply.model,
        )
    ]
    held = events_of(reply.parts)
    if reply.turns.filter(created_at__lt=turn.created_at).exists():
        # Its client has most of it; what is new in it nobody can tell any more.
        held = [Recalled(tuple(held))]
    return [*events, *held, _ending_of(turn, reply)]


def _ending_of(turn: Turn, reply: Message) -> TurnEvent:
    if turn.status == Turn.Status.DONE:
        usage = Usage(
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            estimated=reply.estimated,
        )
        return Completed(reply.finish_reason or "other", usage, reply.cost, reply.model)  # type: ignore[arg-type]  # what the engine gave
    if turn.status == Turn.Status.FAILED:
        text = sentence(turn.error_code) or INTERNAL.text
        return Errored(turn.error_code, text)
    return Aborted(turn.status)


def _look(turn_id: str, position: int) -> Chapter:
    watch(turn_id)
    return read_progress(turn_id, position)


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
