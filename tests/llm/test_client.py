"""The stream of both clients: order, wholeness, usage; a real server answers."""

import json
import logging
import os
import subprocess
import sys

import pytest

from llm.client import Endpoint
from llm.errors import ProviderBadRequest, ProviderKeyMissing
from llm.events import Finished, ReasoningDelta, TextDelta, Usage
from tests.llm.conftest import KEY, MakePrompt, ask, make_client
from tests.provider import Answer, Provider

pytestmark = pytest.mark.usefixtures("each_client")


def test_deltas_come_in_order_and_then_one_finish(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(pieces=("Hel", "lo", "!"), reasoning=("hm", "m")))
    assert ask(prompt()).events == [
        ReasoningDelta("hm"),
        ReasoningDelta("m"),
        TextDelta("Hel"),
        TextDelta("lo"),
        TextDelta("!"),
        Finished("stop", "stop", Usage(10, 5), "some-model"),
    ]


def test_the_request_carries_model_messages_parameters_and_key(
    provider: Provider, prompt: MakePrompt
) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Grüß dich\n\u2028 😀"},
    ]
    parameters = {"temperature": 0.2, "max_tokens": 50, "top_p": None, "stop": ["END"]}
    ask(prompt(messages=messages, parameters=parameters, model="org/some-model"))
    (request,) = provider.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "org/some-model",
        "messages": messages,
        "temperature": 0.2,
        "max_tokens": 50,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_usage_is_taken_exactly_with_its_details(
    provider: Provider, prompt: MakePrompt
) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
    provider.enqueue(Answer(usage=usage))
    assert ask(prompt()).finished.usage == Usage(100, 20, 64, 8)


def test_usage_in_the_same_chunk_as_the_finish_is_taken(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(usage_with_finish=True))
    assert ask(prompt()).finished.usage == Usage(10, 3)


def test_an_explicit_zero_stays_zero_and_is_no_estimate(
    provider: Provider, prompt: MakePrompt
) -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    provider.enqueue(Answer(usage=zero))
    assert ask(prompt()).finished.usage == Usage(0, 0)


def test_absent_usage_is_counted_and_marked(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(text="one two three", usage=None))
    usage = ask(prompt()).finished.usage
    assert usage.estimated
    assert usage.completion_tokens == 3
    assert usage.prompt_tokens > 0


def test_the_finish_does_not_wait_for_a_provider_that_keeps_the_stream_open(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(hold_open=5))
    outcome = ask(prompt())
    assert outcome.finished.usage == Usage(10, 3)
    provider.wait_closed()  # we left first


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content-filter"),
        ("tool_calls", "tool-calls"),
        ("never_heard_of", "other"),
    ],
)
def test_finish_reasons_are_mapped_and_kept_raw(
    provider: Provider, prompt: MakePrompt, raw: str, reason: str
) -> None:
    provider.enqueue(Answer(finish=raw))
    finished = ask(prompt()).finished
    assert (finished.reason, finished.raw_reason) == (reason, raw)


def test_a_reply_of_100_000_characters_arrives_whole(
    provider: Provider, prompt: MakePrompt
) -> None:
    pieces = tuple(f"{i:099d}\n" for i in range(1000))
    provider.enqueue(Answer(pieces=pieces))
    outcome = ask(prompt())
    assert outcome.text == "".join(pieces)
    assert outcome.finished.usage == Usage(10, 1000)


def test_characters_split_between_packets_arrive_whole(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(pieces=("é", "日本", "👩‍👩‍👧"), slice_bytes=7))
    assert ask(prompt()).text == "é日本👩‍👩‍👧"


def test_a_model_may_repeat_itself(provider: Provider, prompt: MakePrompt) -> None:
    """LiteLLM by itself gives up after 100 equal chunks."""
    provider.enqueue(Answer(pieces=("again ",) * 150))
    outcome = ask(prompt())
    assert outcome.text == "again " * 150
    assert outcome.finished.reason == "stop"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\v", "\f"])
def test_unicode_line_separators_do_not_split_events(
    provider: Provider, prompt: MakePrompt, separator: str
) -> None:
    """Whole by OpenAI's SDK, which serves OpenAI-compatible endpoints.

    LiteLLM's own HTTP client, which serves other providers, splits lines there and
    loses the chunk (xai, groq) or all that follows (anthropic).
    """
    provider.enqueue(Answer(pieces=(f"a{separator}b", "c")))
    assert ask(prompt()).text == f"a{separator}bc"


def test_other_providers_go_through_the_same_client(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(tokens=3))
    outcome = ask(prompt(endpoint=Endpoint("xai", KEY, provider.url), model="grok-4"))
    assert outcome.text == "w0 w1 w2 "
    assert outcome.finished.usage == Usage(10, 3)


def test_a_missing_key_is_told_before_any_request(
    provider: Provider, prompt: MakePrompt
) -> None:
    for empty in (None, ""):
        outcome = ask(prompt(endpoint=Endpoint("openai", empty, provider.url)))
        assert isinstance(outcome.error, ProviderKeyMissing)
    assert provider.requests == []


def test_nothing_of_the_operators_environment_reaches_a_provider(
    provider: Provider,
) -> None:
    """In a process of its own, because LiteLLM reads much of it when imported."""
    kind = type(make_client())
    script = f"""
from llm.client import Endpoint, Prompt
from {kind.__module__} import {kind.__name__}
from tests.llm.conftest import ask
messages = [{{"role": "user", "content": "Hi"}}]
for name, key in [
    ("openai_compatible", None), ("local", None), ("hosted_vllm", None),
    ("openai", "{KEY}"), ("xai", "{KEY}"), ("azure", "{KEY}"),
]:
    prompt = Prompt(Endpoint(name, key, "{provider.url}"), "m", messages)
    ask(prompt, {kind.__name__}())
"""
    names = [
        *("OPENAI_API_KEY", "XAI_API_KEY", "HOSTED_VLLM_API_KEY", "AZURE_API_KEY"),
        *("OPENAI_ORGANIZATION", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
        *("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        *("AZURE_AD_TOKEN", "AZURE_OPENAI_AD_TOKEN"),
    ]
    environment = {**os.environ, **dict.fromkeys(names, "http://sk-operator.invalid")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert len(provider.requests) == 6
    assert "sk-operator" not in repr(provider.requests)
    assert [KEY in repr(request) for request in provider.requests] == [
        *(False, False, False),
        *(True, True, True),
    ]


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("nobody", KEY, "http://127.0.0.1:9"),
        Endpoint("vertex_ai", KEY, None),
        Endpoint("openai_compatible", KEY, None),
    ],
    ids=["unknown", "machine-credentials", "without-address"],
)
def test_an_endpoint_that_cannot_be_used_is_refused(
    prompt: MakePrompt, endpoint: Endpoint
) -> None:
    assert isinstance(ask(prompt(endpoint=endpoint)).error, ProviderBadRequest)


def test_parameters_cannot_smuggle_in_other_arguments(
    provider: Provider, prompt: MakePrompt
) -> None:
    outcome = ask(prompt(parameters={"mock_response": "no", "api_base": "http://x"}))
    assert isinstance(outcome.error, ProviderBadRequest)
    assert provider.requests == []


def test_neither_keys_nor_prompts_are_logged_or_printed(
    provider: Provider,
    prompt: MakePrompt,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = [{"role": "user", "content": "my secret question"}]
    ask(prompt(messages=secret))
    provider.enqueue(Answer(status=500), Answer(fault="error", fault_after=1))
    ask(prompt(messages=secret))
    ask(prompt(messages=secret))
    written = caplog.text + json.dumps(capfd.readouterr())
    assert "secret question" not in written
    assert KEY not in written


def test_a_key_does_not_show_in_a_repr(prompt: MakePrompt) -> None:
    assert KEY not in repr(prompt())
