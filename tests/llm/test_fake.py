"""The fake keeps the promises of `Client` that its users rely on."""

import asyncio
from contextlib import aclosing

import pytest

from llm.client import Client, Endpoint, Prompt
from llm.errors import ProviderTimeout
from llm.events import Event, Finished, TextDelta, Usage
from llm.fake import FakeClient, Pause

PROMPT = Prompt(Endpoint("local"), "fake", [{"role": "user", "content": "Hi"}])


async def play(client: Client) -> list[Event]:
    async with aclosing(client.stream(PROMPT)) as events:
        return [event async for event in events]


def test_scripts_are_played_in_order() -> None:
    client = FakeClient()
    client.enqueue_text("a", "b")
    client.enqueue(TextDelta("c"), Pause(0), ProviderTimeout())
    finish = Finished("stop", "stop", Usage(10, 2), "fake")
    assert asyncio.run(play(client)) == [TextDelta("a"), TextDelta("b"), finish]
    with pytest.raises(ProviderTimeout):
        asyncio.run(play(client))
    assert asyncio.run(play(client))[:2] == [TextDelta("Hello"), TextDelta("!")]
    assert client.prompts == [PROMPT] * 3
    assert client.closed == 0


def test_a_gate_holds_the_stream_and_an_early_leave_is_counted() -> None:
    async def main() -> None:
        client, gate = FakeClient(), asyncio.Event()
        client.enqueue(TextDelta("a"), gate, TextDelta("b"), TextDelta("c"))
        async with aclosing(client.stream(PROMPT)) as events:
            assert await anext(events) == TextDelta("a")
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            assert not waiting.done()
            gate.set()
            assert await waiting == TextDelta("b")
        assert client.closed == 1

    asyncio.run(main())
