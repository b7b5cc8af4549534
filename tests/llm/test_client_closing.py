"""Whoever stops reading ends the provider's work: its socket sees the close."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from llm import session
from llm.client import Endpoint, Prompt
from llm.events import TextDelta
from tests.llm.conftest import KEY, AnyClient, MakePrompt, make_client
from tests.provider import Answer, Provider

pytestmark = pytest.mark.usefixtures("each_client")


@pytest.fixture(autouse=True)
def no_second_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be closed is closed at once, not when its time is up."""
    monkeypatch.setattr(session, "_LINGER", 600.0)


LONG = Answer(tokens=10_000, pace=100)
Leave = Callable[[AnyClient, Prompt], Awaitable[None]]


async def cancelled(client: AnyClient, prompt: Prompt) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(client.stream(prompt)) as events:
            async for _ in events:
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def closed(client: AnyClient, prompt: Prompt) -> None:
    events = client.stream(prompt)
    assert await anext(events) == TextDelta("w0 ")
    await events.aclose()


async def broken_out_of(client: AnyClient, prompt: Prompt) -> None:
    async with aclosing(client.stream(prompt)) as events:
        async for _ in events:
            break


async def failed_while_reading(client: AnyClient, prompt: Prompt) -> None:
    with pytest.raises(ZeroDivisionError):
        async with aclosing(client.stream(prompt)) as events:
            async for _ in events:
                raise ZeroDivisionError


async def forgotten(client: AnyClient, prompt: Prompt) -> None:
    """Without aclosing: the loop closes the generator when it is collected."""
    events = client.stream(prompt)
    await anext(events)
    del events
    gc.collect()


async def closed_while_cancelled(client: AnyClient, prompt: Prompt) -> None:
    """A second cancellation arrives while the first is being cleaned up after."""
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(client.stream(prompt)) as events:
            async for _ in events:
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("name", ["openai_compatible", "xai"])
@pytest.mark.parametrize(
    "leave",
    [
        cancelled,
        closed,
        broken_out_of,
        failed_while_reading,
        forgotten,
        closed_while_cancelled,
    ],
)
def test_leaving_closes_the_providers_socket(
    provider: Provider, prompt: MakePrompt, leave: Leave, name: str
) -> None:
    provider.enqueue(LONG)

    async def main() -> None:
        client = make_client()
        await leave(client, prompt(endpoint=Endpoint(name, KEY, provider.url)))
        # Before the loop ends, which would close everything anyway.
        seen = await asyncio.to_thread(provider.wait_closed)
        assert seen.pieces_sent < LONG.tokens
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    "silent", [Answer(headers_after=600), Answer(first_after=600)], ids=["head", "body"]
)
def test_cancelling_before_the_first_token_closes_too(
    provider: Provider, prompt: MakePrompt, silent: Answer
) -> None:
    provider.enqueue(silent)

    async def main() -> None:
        client = make_client()
        task = asyncio.ensure_future(anext(client.stream(prompt())))
        await asyncio.to_thread(provider.wait_requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(provider.wait_closed)
        await client.aclose()

    asyncio.run(main())


def test_a_finished_stream_leaves_nothing_running(
    provider: Provider, prompt: MakePrompt
) -> None:
    async def main() -> None:
        client = make_client()
        async with aclosing(client.stream(prompt())) as events:
            assert len([event async for event in events]) == 4
        await client.aclose()
        for _ in range(3_000):  # the loop closes the SDK's generators one by one
            if asyncio.all_tasks() == {asyncio.current_task()}:
                break
            await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    for _ in range(3_000):  # the stand-in may be at its last line still
        if provider.open_streams == 0:
            break
        time.sleep(0.01)
    assert provider.open_streams == 0
