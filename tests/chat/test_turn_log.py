"""The log of a running turn: each reader gets everything, whenever it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from chat.turns.events import Aborted, TurnEvent
from chat.turns.log import TurnLog
from llm.events import TextDelta

LONG = 60.0
A, B, END = TextDelta("a"), TextDelta("b"), Aborted("stopped")


def encode(events: list[TurnEvent]) -> bytes:
    return repr(events).encode()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


async def read(log: TurnLog, quiet: float = LONG) -> list[TurnEvent]:
    return [event async for batch in log.read(quiet) for event in batch]


def test_a_reader_gets_what_was_there_and_what_comes() -> None:
    async def work() -> None:
        log = TurnLog(encode)
        log.append(A)
        reader = asyncio.create_task(read(log))
        await log.read_once.wait()
        log.append(B, END)
        log.close()
        assert await reader == [A, B, END]

    run(work())


def test_many_readers_get_the_same_wherever_they_begin() -> None:
    async def work() -> None:
        log = TurnLog(encode)
        readers = []
        for event in (A, B, A, B, END):
            readers.append(asyncio.create_task(read(log)))
            await asyncio.sleep(0)
            log.append(event)
        log.close()
        readers.append(asyncio.create_task(read(log)))
        everything = [A, B, A, B, END]
        assert await asyncio.gather(*readers) == [everything] * 6

    run(work())


def test_a_slow_reader_holds_nobody_up_and_misses_nothing() -> None:
    async def work() -> None:
        log = TurnLog(encode)
        slow = log.read(LONG)
        log.append(A)
        assert await anext(slow) == [A]
        for _ in range(1_000):
            log.append(B)
        log.close()
        assert await read(log) == [A] + [B] * 1_000
        assert await anext(slow) == [B] * 1_000
        assert [batch async for batch in slow] == []

    run(work())


def test_silence_is_an_empty_batch() -> None:
    async def work() -> None:
        log = TurnLog(encode)
        reader = log.read(0.01)
        assert await anext(reader) == []
        assert await anext(reader) == []
        log.append(A)
        assert await anext(reader) == [A]
        await reader.aclose()

    run(work())


def test_what_came_while_a_reader_was_busy_is_not_missed() -> None:
    async def work() -> None:
        log = TurnLog(encode)
        reader = log.read(LONG)
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        log.append(A)
        log.append(B)  # before the reader has woken
        assert await waiting == [A, B]
        log.append(END)
        assert await anext(reader) == [END]
        await reader.aclose()

    run(work())


def test_frames_are_encoded_once_for_all_readers() -> None:
    async def work() -> None:
        asked: list[list[TurnEvent]] = []

        def note(events: list[TurnEvent]) -> bytes:
            asked.append(events)
            return encode(events)

        log = TurnLog(note)
        log.append(A, B)
        first = log.frames(LONG)
        assert await anext(first) == encode([A, B])
        log.append(END)
        log.close()
        rest = [frame async for frame in first]
        late = [frame async for frame in log.frames(LONG)]
        assert b"".join(late) == encode([A, B]) + b"".join(rest)
        assert asked == [[A, B], [END]]

    run(work())
