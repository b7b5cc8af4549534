"""Error answers of the main providers: the same class in every lane, nothing leaked."""

import email.utils
import json
import time

import pytest

from llm import errors
from llm.client import Endpoint, LiteLLMClient, Prompt
from llm.errors import LLMError
from llm.fast import FastClient
from llm.lanes import Lane
from tests.llm.conftest import KEY, AnyClient, ask
from tests.llm.playback import Playback, Tape
from tests.llm.refusals import REFUSALS, Refusal

MODELS = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}


def refused(
    refusal: Refusal, client: AnyClient, retry_after: str = ""
) -> tuple[LLMError | None, Playback]:
    body = refusal.body
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = [f"Retry-After: {retry_after}"] if retry_after else []
    if refusal.status < 400:
        headers.append("Location: http://127.0.0.1:9/elsewhere")
    tape = Tape(
        [body] if body else [],
        refusal.status,
        headers,
        content_type="application/json",
    )
    with Playback(tape) as server:
        prompt = Prompt(
            Endpoint(refusal.provider, KEY, server.url),
            MODELS.get(refusal.provider, "some-model"),
            [{"role": "user", "content": "Hi"}],
        )
        outcome = ask(prompt, client)
    assert outcome.events == []
    return outcome.error, server


def name(refusal: Refusal) -> str:
    return f"{refusal.provider}-{refusal.status}-{refusal.kind.code}"


@pytest.mark.parametrize("refusal", REFUSALS, ids=name)
@pytest.mark.parametrize("lanes", [{}, {"*": Lane.MIDDLE}], ids=["usual", "middle"])
def test_a_refusal_is_what_it_means(
    refusal: Refusal, lanes: dict[str, Lane | str]
) -> None:
    error, server = refused(refusal, FastClient(lanes))
    assert type(error) is refusal.kind, error and error.detail
    assert error.provider_status == refusal.status
    assert KEY not in error.detail
    assert len(server.paths) == 1, "nothing is tried twice, no redirect is followed"


@pytest.mark.parametrize("refusal", REFUSALS, ids=name)
def test_litellms_lane_says_the_same(refusal: Refusal) -> None:
    error, _ = refused(refusal, LiteLLMClient())
    assert (type(error) is refusal.kind) is not bool(refusal.litellm), error


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama_chat"])
def test_retry_after_is_kept(provider: str) -> None:
    refusal = Refusal(provider, 429, b"{}", errors.ProviderRateLimited)
    error, _ = refused(refusal, FastClient(), "7")
    assert error is not None
    assert error.retry_after == 7
    later = email.utils.formatdate(time.time() + 3600, usegmt=True)
    error, _ = refused(refusal, FastClient(), later)
    assert error is not None
    assert error.retry_after is not None
    assert 3000 < error.retry_after <= 3600
    error, _ = refused(refusal, FastClient(), "soon")
    assert error is not None
    assert error.retry_after is None


def test_a_long_error_body_is_not_read_to_its_end() -> None:
    tape = Tape([b"x" * 65536] * 200, 500, end="hold")
    with Playback(tape) as server:
        prompt = Prompt(Endpoint("local", None, server.url), "m", [])
        error = ask(prompt, FastClient()).error
        assert type(error) is errors.ProviderError
