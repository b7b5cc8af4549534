"""Recorded streams through every lane: events, finish, usage, errors."""

import dataclasses
from collections.abc import Sequence

import pytest

from llm.client import Endpoint, LiteLLMClient, Prompt, Timeouts
from llm.fast import FastClient
from llm.lanes import ROUTES, Lane
from llm.parsers.openai import OpenAIParser
from llm.sse import Reader
from tests.llm.conftest import KEY, AnyClient, Outcome, ask
from tests.llm.playback import Playback, Tape
from tests.llm.streams import STREAMS
from tests.llm.streams.openai import OPENAI
from tests.llm.streams.recording import Stream

MODELS = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
IDS = [f"{stream.provider}: {stream.name}" for stream in STREAMS]


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def play(
    stream: Stream,
    client: AnyClient,
    blocks: Sequence[bytes] | None = None,
    pause: float = 0.0,
) -> Outcome:
    """What `client` makes of it, by default when it comes at once."""
    blocks = cut(stream.body, 2**30) if blocks is None else blocks
    with Playback(Tape(blocks, pause=pause)) as server:
        return ask(
            Prompt(
                Endpoint(stream.provider, KEY, server.url),
                MODELS.get(stream.provider, "some-model"),
                [{"role": "user", "content": "Hi"}],
                timeouts=Timeouts(first_token=10, idle=10),
            ),
            client,
        )


def difference(stream: Stream, outcome: Outcome, *, raw: bool = True) -> str:
    """How the outcome differs from what is expected, "" if it does not."""
    error = outcome.error
    if outcome.calls != [*stream.calls]:
        return f"calls {outcome.calls}"
    if (type(error) if error else None) is not stream.error:
        return f"error {error!r}: {error.detail if error else ''}"
    if outcome.text != stream.text or outcome.reasoning != stream.reasoning:
        return f"text {outcome.text[:200]!r}, reasoning {outcome.reasoning[:200]!r}"
    if error is not None:
        ok = stream.status is None or error.provider_status == stream.status
        return "" if ok else f"status {error.provider_status}"
    finished = outcome.finished
    if finished.reason != stream.reason or (raw and finished.raw_reason != stream.raw):
        return f"finish {finished}"
    if stream.usage is None:
        return "" if finished.usage.estimated else f"usage {finished.usage}"
    if finished.usage != stream.usage:
        return f"usage {finished.usage}"
    return "" if finished.model == "some-model" or not raw else f"model {finished}"


@pytest.mark.parametrize("stream", STREAMS, ids=IDS)
def test_our_lane_makes_of_it_what_it_means(stream: Stream) -> None:
    assert not difference(stream, play(stream, FastClient()))


@pytest.mark.parametrize("stream", STREAMS, ids=IDS)
def test_litellms_lane_agrees_except_where_we_know_why_not(stream: Stream) -> None:
    """With the words of LiteLLM for finish reasons, and its names of models."""
    found = difference(stream, play(stream, LiteLLMClient()), raw=False)
    assert bool(found) == bool(stream.litellm), found


MIDDLE_DIFFERS = {
    "openai_compatible: refusal": "drops the text",
    "openai_compatible: the answer as a whole": "looks for deltas only",
    "groq: groq's own place for usage": "does not look there",
    "anthropic: tools used side by side after signed thinking": "counts, as below",
    "anthropic: thinking": "counts the thinking with a tokenizer of its own",
    "gemini: quota gone in mid-stream": "has invented a finish by then",
    "gemini: truncated": "invents a finish",
}


@pytest.mark.parametrize(
    "stream",
    [row for row in STREAMS if ROUTES[row.provider].lane is not Lane.MIDDLE],
    ids=lambda row: f"{row.provider}: {row.name}",
)
def test_the_middle_lane_agrees_except_where_litellms_parser_does_not(
    stream: Stream,
) -> None:
    client = FastClient({"*": Lane.MIDDLE})
    found = difference(stream, play(stream, client), raw=False)
    assert bool(found) == (f"{stream.provider}: {stream.name}" in MIDDLE_DIFFERS), found


@pytest.mark.parametrize(
    "name",
    ["characters of all lengths", "CRLF", "comments, ids and retries"],
)
def test_it_does_not_matter_where_the_network_cuts(name: str) -> None:
    (stream,) = (row for row in OPENAI if row.name == name)
    for at in range(len(stream.body) + 1):
        reader, parser = Reader(), OpenAIParser()
        chunks = [
            *reader.feed(stream.body[:at]),
            *reader.feed(stream.body[at:]),
            *reader.close(),
        ]
        text = "".join(delta.text for chunk in chunks for delta in parser.feed(chunk))
        assert text == stream.text
        assert reader.done
        assert parser.complete


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("provider", ["openai_compatible", "anthropic", "gemini"])
def test_bytes_that_trickle_make_the_same_events(provider: str, size: int) -> None:
    stream = next(row for row in STREAMS if row.provider == provider)
    blocks = cut(stream.body, size)
    assert not difference(stream, play(stream, FastClient(), blocks))


@pytest.mark.parametrize(
    "stream",
    [row for row in STREAMS if row.error is None and len(row.body) < 100_000],
    ids=lambda row: f"{row.provider}: {row.name}",
)
def test_events_that_come_one_by_one_make_the_same_events(stream: Stream) -> None:
    """What could be taken for the end, and is not, comes before the rest."""
    blocks = stream.body.splitlines(keepends=True)
    outcome = play(stream, FastClient(), blocks, pause=0.003)
    assert not difference(stream, outcome)


def test_errors_in_a_stream_never_show_the_key() -> None:
    stream = next(row for row in OPENAI if row.name == "an error in the stream")
    leaking = dataclasses.replace(
        stream, body=stream.body.replace(b"boom", KEY.encode())
    )
    error = play(leaking, FastClient()).error
    assert error is not None
    assert "server_error" in error.detail
    assert KEY not in error.detail
