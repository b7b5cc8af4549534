"""Connections of our own lanes: kept, given back, closed, bounded."""

import asyncio
from contextlib import aclosing

import pytest

from llm import addresses, clock, errors, session
from llm.client import Endpoint, Prompt, Timeouts
from llm.events import Event, Finished, TextDelta
from llm.fast import FastClient
from tests.llm.conftest import KEY, MakePrompt, collect
from tests.llm.playback import Playback, Tape
from tests.llm.streams.openai import AB, STOP, counted
from tests.llm.streams.recording import sse
from tests.provider import Answer, Provider

WHOLE = Tape([sse(*AB, STOP, counted())])
DROP = Tape(end="drop")


def prompt_for(
    server: Playback, timeouts: Timeouts | None = None, host: str = "127.0.0.1"
) -> Prompt:
    return Prompt(
        Endpoint("openai_compatible", KEY, server.url.replace("127.0.0.1", host)),
        "some-model",
        [{"role": "user", "content": "Hi"}],
        timeouts=timeouts or Timeouts(),
    )


async def read(client: FastClient, prompt: Prompt) -> list[Event]:
    async with aclosing(client.stream(prompt)) as events:
        return [event async for event in events]


async def given_back() -> None:
    """Wait until the last answer has ended, and its connection is free."""
    while session.connections()._leaving:  # noqa: ASYNC110  there is no event
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "tape",
    [
        WHOLE,
        Tape([sse(*AB, STOP, counted(), done=False), b"data: [DONE]\n\n"], pause=0.05),
        Tape([b"{}"], status=429),
    ],
    ids=["at-once", "end-comes-later", "refused"],
)
def test_one_connection_serves_call_after_call(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_LINGER", 600.0)

    async def main() -> None:
        client = FastClient()
        for _ in range(3):
            try:
                events = await read(client, prompt_for(server))
                assert isinstance(events[-1], Finished)
            except errors.ProviderRateLimited:
                assert tape.status == 429
            await given_back()
        await client.aclose()

    with Playback(tape) as server:
        asyncio.run(main())
        assert (len(server.paths), server.connections) == (3, 1)


def test_reading_stops_at_the_finish_and_reuses_what_then_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Someone who leaves at the finish does not cost a connection."""
    monkeypatch.setattr(session, "_LINGER", 600.0)

    async def main() -> None:
        client = FastClient()
        for _ in range(2):
            async with aclosing(client.stream(prompt_for(server))) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        break
            await given_back()
        await client.aclose()

    with Playback(WHOLE) as server:
        asyncio.run(main())
        assert server.connections == 1


def test_a_provider_that_does_not_end_is_not_waited_for_and_left_after_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "_WAIT_FOR_USAGE", 600.0)

    async def main() -> None:
        client = FastClient()
        async with asyncio.timeout(20):
            events = await read(client, prompt_for(server, Timeouts(idle=600)))
        assert isinstance(events[-1], Finished)
        assert await asyncio.to_thread(server.wait_gone)
        await client.aclose()

    tape = Tape([sse(*AB, STOP, counted(), done=False)], end="hold")
    with Playback(tape) as server:
        asyncio.run(main())


def test_a_kept_connection_that_the_server_has_closed_is_no_failure() -> None:
    async def main() -> None:
        client = FastClient()
        for _ in range(2):
            events = await read(client, prompt_for(server))
            assert events[:2] == [TextDelta("a"), TextDelta("b")]
            await given_back()
        await client.aclose()

    with Playback(WHOLE, DROP, WHOLE) as server:
        asyncio.run(main())
        assert (len(server.paths), server.connections) == (3, 2)


@pytest.mark.parametrize(
    ("tapes", "requests"), [([DROP], 1), ([WHOLE, DROP, DROP], 3)], ids=["new", "kept"]
)
def test_a_request_is_repeated_once_and_only_on_a_kept_connection(
    tapes: list[Tape], requests: int
) -> None:
    async def main() -> None:
        client = FastClient()
        for _ in tapes[:-2]:
            await read(client, prompt_for(server))
            await given_back()
        with pytest.raises(errors.ProviderUnavailable):
            await read(client, prompt_for(server))
        await client.aclose()

    with Playback(*tapes) as server:
        asyncio.run(main())
        assert len(server.paths) == requests


def test_idle_connections_that_the_server_closed_are_not_used() -> None:
    async def main() -> None:
        client = FastClient()
        await read(client, prompt_for(server))
        await given_back()
        await asyncio.to_thread(server.close_idle)
        await asyncio.sleep(0.05)
        await read(client, prompt_for(server))
        await client.aclose()

    with Playback(WHOLE) as server:
        asyncio.run(main())
        assert (len(server.paths), server.connections) == (2, 2)


def test_cookies_of_one_call_do_not_reach_another() -> None:
    async def main() -> None:
        client = FastClient()
        for _ in range(2):
            await read(client, prompt)
        await client.aclose()

    tape = Tape(WHOLE.blocks, headers=["Set-Cookie: tenant=one; Path=/"])
    with Playback(tape) as server:
        prompt = prompt_for(server, host="localhost")  # of numbers no jar keeps any
        asyncio.run(main())
        assert len(server.heads) == 2
        assert "cookie" not in "".join(server.heads).lower()


def test_calls_past_the_limit_are_refused_at_once(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(tokens=1000, pace=20))

    async def main() -> None:
        client = FastClient(limit=1)
        first = client.stream(prompt())
        await anext(first)
        with pytest.raises(errors.ProviderUnavailable) as refusal:
            await read(client, prompt())
        assert refusal.value.retry_after
        await first.aclose()
        provider.enqueue(Answer(tokens=1))
        assert len(await read(client, prompt())) == 2
        assert session.connections().open == 0
        await client.aclose()

    asyncio.run(main())


def test_no_stream_waits_for_another_to_end(
    provider: Provider, prompt: MakePrompt
) -> None:
    """LiteLLM's and aiohttp's usual pools let the hundred and first wait silently."""
    provider.on("some-model", Answer(tokens=1000, pace=1))
    asked = prompt(timeouts=Timeouts(first_token=60))
    all_begun = asyncio.Barrier(130)

    async def begin(client: FastClient) -> None:
        async with aclosing(client.stream(asked)) as events:
            await anext(events)
            await all_begun.wait()

    async def main() -> None:
        client = FastClient()
        async with asyncio.timeout(60), asyncio.TaskGroup() as streams:
            for _ in range(all_begun.parties):
                streams.create_task(begin(client))
        await client.aclose()

    asyncio.run(main())


def test_a_usage_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "_WAIT_FOR_USAGE", 0.1)

    async def main() -> None:
        client = FastClient()
        async with asyncio.timeout(20):
            *_, finished = await read(client, prompt_for(server))
        assert isinstance(finished, Finished)
        assert finished.usage.estimated
        await client.aclose()

    tape = Tape([sse(*AB, STOP, done=False)], end="hold")
    with Playback(tape) as server:
        asyncio.run(main())


def test_a_reader_that_is_slow_is_not_a_silent_provider() -> None:
    async def main() -> None:
        client = FastClient()
        patience = Timeouts(first_token=1, idle=1)
        async with aclosing(client.stream(prompt_for(server, patience))) as events:
            got = []
            async for event in events:
                got.append(event)
                if len(got) == 1:
                    await asyncio.sleep(1.5)
        assert isinstance(got[-1], Finished)
        await client.aclose()

    blocks = [sse(*AB[:2], done=False), sse(*AB[2:], STOP, counted())]
    with Playback(Tape(blocks, pause=0.05)) as server:
        asyncio.run(main())


def test_the_machines_proxy_is_used_except_where_it_says_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Playback(WHOLE) as server:
        proxy = server.url.removesuffix("/v1")
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "direct.invalid")
        addresses.proxy_of.cache_clear()
        for host, error in (
            ("somewhere.invalid", None),
            ("direct.invalid", errors.ProviderUnavailable),
        ):
            prompt = Prompt(
                Endpoint("local", None, f"http://{host}/v1"),
                "some-model",
                [{"role": "user", "content": "Hi"}],
            )
            outcome = asyncio.run(collect(prompt, FastClient()))
            assert (type(outcome.error) if outcome.error else None) is error
        addresses.proxy_of.cache_clear()
        assert server.paths == ["http://somewhere.invalid/v1/chat/completions"]


@pytest.mark.parametrize("address", ["http://", "ftp://host/v1", "no address at all"])
def test_what_is_no_address_is_told_to_the_administrator(address: str) -> None:
    prompt = Prompt(
        Endpoint("local", None, address), "m", [{"role": "user", "content": "Hi"}]
    )
    error = asyncio.run(collect(prompt, FastClient())).error
    assert type(error) is errors.ProviderBadRequest


def test_closing_ends_what_is_under_way() -> None:
    async def main() -> None:
        client = FastClient()
        events = client.stream(prompt_for(server))
        await anext(events)
        await client.aclose()
        assert await asyncio.to_thread(server.wait_gone)
        with pytest.raises(errors.LLMError):
            async for _ in events:
                pass

    with Playback(Tape([sse(*AB, done=False)], end="hold")) as server:
        asyncio.run(main())
