"""Replies of providers that do not stop, and counts that cannot be counts."""

import json
from typing import Any

import pytest

from llm.client import Endpoint
from llm.events import Usage
from llm.fast import FastClient
from llm.parsers import Parser
from llm.parsers.anthropic import AnthropicParser
from llm.parsers.gemini import GeminiParser
from llm.parsers.middle import usage_of as usage_of_litellm
from llm.parsers.openai import OpenAIParser, usage_of
from llm.reply import Reply
from tests.llm.conftest import KEY, MakePrompt, ask
from tests.llm.playback import Playback, Tape
from tests.llm.streams.openai import chunk, counted
from tests.llm.streams.recording import sse
from tests.provider import Answer, Provider

MIB = 1024 * 1024
NONSENSE = [5_000_000_000, -5, True, "7", 1.5, [1]]


@pytest.mark.usefixtures("each_client")
@pytest.mark.parametrize("kind", ["content", "reasoning_content"])
def test_a_reply_without_end_is_cut_and_its_connection_closed(
    kind: str, prompt: MakePrompt
) -> None:
    words = "word " * 20_000
    block = sse(chunk(**{kind: words}), done=False)
    with Playback(Tape([block] * 15, end="hold")) as server:
        endpoint = Endpoint("openai_compatible", KEY, server.url)
        outcome = ask(prompt(endpoint=endpoint, parameters={"max_tokens": 10}))
        assert server.wait_gone()
    assert len(outcome.text + outcome.reasoning) == MIB
    assert (outcome.finished.reason, outcome.finished.raw_reason) == ("length", None)
    assert outcome.finished.usage.estimated


def test_what_such_a_provider_has_counted_is_taken(prompt: MakePrompt) -> None:
    block = sse(chunk(content="word " * 20_000) | {"usage": counted()["usage"]})
    with Playback(Tape([block.removesuffix(b"data: [DONE]\n\n")] * 15)) as server:
        endpoint = Endpoint("openai_compatible", KEY, server.url)
        finished = ask(prompt(endpoint=endpoint), FastClient()).finished
    assert (finished.reason, finished.usage) == ("length", Usage(5, 2))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_agent_may_allow_longer_replies(name: str) -> None:
    reply = Reply({name: 100_000, "temperature": 1})
    assert len(reply.take("x" * 2_000_000)) == 16 * 100_000
    assert (reply.full, reply.take("x")) == (True, "")


@pytest.mark.parametrize("lanes", [{}, {"*": "middle"}, {"*": "litellm"}])
@pytest.mark.parametrize("tokens", [5_000_000_000, -5])
def test_a_count_that_cannot_be_stored_is_replaced_by_an_estimate(
    tokens: int, lanes: dict[str, str], provider: Provider, prompt: MakePrompt
) -> None:
    for wrong in ("prompt_tokens", "completion_tokens"):
        usage = {"prompt_tokens": 5, "completion_tokens": 2, wrong: tokens}
        usage["total_tokens"] = sum(usage.values())
        provider.enqueue(Answer(text="One two", usage=usage))
        outcome = ask(prompt(), FastClient(lanes))
        assert (outcome.text, outcome.finished.usage.estimated) == ("One two", True)


@pytest.mark.parametrize("tokens", NONSENSE, ids=json.dumps)
def test_no_parser_takes_nonsense_for_a_count(tokens: Any) -> None:
    ours = {"prompt_tokens": tokens, "completion_tokens": 2}
    details = {
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": tokens},
    }
    for given in (ours, details):
        assert usage_of(given) is None
        assert usage_of_litellm(given) is None
    claude, gemini = AnthropicParser(), GeminiParser()
    claude.feed({"type": "message_start", "message": {"usage": {"input_tokens": 3}}})
    claude.feed({"type": "message_delta", "usage": {"output_tokens": tokens}})
    gemini.feed({"usageMetadata": {"promptTokenCount": tokens}})
    assert (claude.usage, claude.prompt_usage, gemini.usage) == (
        None,
        Usage(3, 0),
        None,
    )


@pytest.mark.parametrize("usage", [7, "much", [1]])
def test_usage_of_another_shape_does_not_break_the_reply(usage: Any) -> None:
    parser: Parser = OpenAIParser()
    parser.feed(chunk("stop") | {"usage": usage})
    assert (parser.usage, parser.raw_reason) == (None, "stop")


def test_counts_whose_sum_is_too_large_are_refused() -> None:
    most = 2**31 - 1
    assert usage_of({"prompt_tokens": most}) == Usage(most, 0)
    assert usage_of({"prompt_tokens": most, "completion_tokens": 1}) is None
