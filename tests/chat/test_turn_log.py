"""The log of a running turn: each reader gets everything, whenever it comes."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from chat.turns.events import Aborted, TurnEvent
from chat.turns.log import Encode, TurnLog
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
        log = TurnLog(lambda: encode)
        log.append(A)
        reader = asyncio.create_task(read(log))
        await log.read_once.wait()
        log.append(B, END)
        log.close()
        assert await reader == [A, B, END]

    run(work())


def test_a_reader_leaves_nothing_behind_at_the_end() -> None:
    """Though who reads to the end closes nothing: neither its place nor its timer."""

    async def work() -> None:
        log = TurnLog(lambda: encode)
        log.append(A, END)
        log.close()
        gone = weakref.ref(log)
        assert await read(log, quiet=0.01) == [A, END]
        del log
        gc.collect()
        assert gone() is None

    run(work())


def test_many_readers_get_the_same_wherever_they_begin() -> None:
    async def work() -> None:
        log = TurnLog(lambda: encode)
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
        log = TurnLog(lambda: encode)
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
        log = TurnLog(lambda: encode)
        reader = log.read(0.01)
        assert await anext(reader) == []
        assert await anext(reader) == []
        log.append(A)
        assert await anext(reader) == [A]
        await reader.aclose()

    run(work())


def test_what_came_while_a_reader_was_busy_is_not_missed() -> None:
    async def work() -> None:
        log = TurnLog(lambda: encode)
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


def counting(asked: list[list[TurnEvent]]) -> Callable[[], Encode]:
    def note(events: list[TurnEvent]) -> bytes:
        asked.append(events)
        return encode(events)

    return lambda: note


def test_frames_are_encoded_once_for_all_readers() -> None:
    async def work() -> None:
        asked: list[list[TurnEvent]] = []
        log = TurnLog(counting(asked))
        log.append(A, B)
        first, second = log.frames(LONG), log.frames(LONG)
        begun = [await anext(first), await anext(second)]
        log.append(END)
        log.close()
        rest = [[frame async for frame in reader] for reader in (first, second)]
        assert rest == [[encode([END])]] * 2
        # Who comes later is given what was missed, in one piece.
        assert begun == [encode([A, B])] * 2
        assert asked == [[A, B], [A, B], [END]]

    run(work())


def test_a_reader_of_frames_who_comes_when_others_left_gets_all() -> None:
    async def work() -> None:
        log = TurnLog(lambda: encode)
        log.append(A)
        early = log.frames(LONG)
        assert await anext(early) == encode([A])
        await early.aclose()
        log.append(B, END)
        log.close()
        late = [frame async for frame in log.frames(LONG)]
        assert late == [encode([A, B, END])]

    run(work())


def test_made_smaller_it_still_gives_everybody_the_rest() -> None:
    async def work() -> None:
        log = TurnLog(lambda: encode)
        stored = log.cursor()
        log.append(A, B)
        events, frames, slow = log.read(LONG), log.frames(LONG), log.read(LONG)
        assert await anext(events) == [A, B]
        assert await anext(frames) == encode([A, B])
        log.append(A)
        assert await anext(slow) == [A, B, A]
        stored.position = 3
        log.compact()  # as far as `events` and `frames` have read
        assert log.events == [TextDelta("ab"), A]
        log.append(B)
        assert await anext(events) == [A, B]
        assert await anext(frames) == encode([A, B])
        assert await anext(slow) == [B]
        stored.position = 3
        log.compact()
        assert log.events == [TextDelta("ab"), TextDelta("ab")]
        late = log.frames(LONG)
        assert await anext(late) == encode(log.events)
        log.append(END)
        log.close()
        assert [batch async for batch in late] == [encode([END])]
        assert [batch async for batch in frames] == [encode([END])]
        assert [batch async for batch in slow] == [[END]]
        assert stored.position == 2

    run(work())
