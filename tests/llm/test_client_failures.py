"""What goes wrong at a provider, and the error each becomes."""

import email.utils
import time

import httpx
import pytest

from llm import errors
from llm._failures import to_error
from llm.client import Endpoint, Timeouts
from llm.errors import LLMError
from llm.events import Usage
from tests.llm.conftest import KEY, MakePrompt, ask
from tests.provider import SECRET_MARKER, Answer, Provider

pytestmark = pytest.mark.usefixtures("each_client")

FAST = Timeouts(connect=5, first_token=1, idle=1, total=60)


def answer(status: int, code: str | None = None, message: str = "Failed") -> Answer:
    return Answer(status=status, error_code=code, error_message=message)


@pytest.mark.parametrize("name", ["openai_compatible", "xai"])
@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (answer(400), errors.ProviderBadRequest),
        (answer(413), errors.ProviderBadRequest),
        (answer(400, "context_length_exceeded"), errors.ProviderContextExceeded),
        (
            answer(400, message="request exceeds the available context size"),
            errors.ProviderContextExceeded,
        ),
        (answer(400, "content_filter"), errors.ProviderContentFiltered),
        (answer(400, "model_not_found"), errors.ProviderModelNotFound),
        (answer(401), errors.ProviderUnauthorized),
        (answer(402), errors.ProviderQuotaExceeded),
        (answer(403), errors.ProviderUnauthorized),
        (answer(404), errors.ProviderModelNotFound),
        (answer(408), errors.ProviderTimeout),
        (answer(429), errors.ProviderRateLimited),
        (answer(429, "insufficient_quota"), errors.ProviderQuotaExceeded),
        (answer(500), errors.ProviderError),
        (answer(503), errors.ProviderUnavailable),
        (answer(529), errors.ProviderUnavailable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_refusal_becomes_its_own_error(
    provider: Provider,
    prompt: MakePrompt,
    refusal: Answer,
    kind: type[LLMError],
    name: str,
) -> None:
    provider.enqueue(refusal)
    outcome = ask(prompt(endpoint=Endpoint(name, KEY, provider.url)))
    assert outcome.events == []
    assert type(outcome.error) is kind
    assert outcome.error.status == 502
    assert outcome.error.provider_status == refusal.status
    assert len(provider.requests) == 1, "nothing is tried twice"


def test_the_sentence_is_ours_and_the_detail_has_no_key(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(status=401))
    error = ask(prompt()).error
    assert error is not None
    assert SECRET_MARKER not in str(error) + error.text
    assert SECRET_MARKER in error.detail
    assert KEY not in error.detail
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("name", ["openai_compatible", "xai"])
def test_retry_after_is_kept_as_seconds(
    provider: Provider, prompt: MakePrompt, name: str
) -> None:
    later = email.utils.formatdate(time.time() + 3600, usegmt=True)
    provider.enqueue(
        Answer(status=429, retry_after="7"), Answer(status=429, retry_after=later)
    )
    in_seconds = ask(prompt(endpoint=Endpoint(name, KEY, provider.url))).error
    as_date = ask(prompt(endpoint=Endpoint(name, KEY, provider.url))).error
    assert in_seconds is not None
    assert in_seconds.retry_after == 7
    assert as_date is not None
    assert as_date.retry_after is not None
    assert 3000 < as_date.retry_after <= 3600


@pytest.mark.parametrize("name", ["openai_compatible", "xai", "anthropic"])
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/v1", "http://nowhere.invalid/v1"]
)
def test_no_connection_is_unavailable(
    prompt: MakePrompt, address: str, name: str
) -> None:
    error = ask(prompt(endpoint=Endpoint(name, KEY, address))).error
    assert type(error) is errors.ProviderUnavailable
    assert error.provider_status is None


@pytest.mark.parametrize(
    ("failure", "started", "kind"),
    [
        (httpx.ConnectTimeout("slow"), False, errors.ProviderUnavailable),
        (httpx.ReadTimeout("slow"), False, errors.ProviderTimeout),
        (httpx.ReadTimeout("slow"), True, errors.ProviderTimeout),
        (httpx.ReadError("reset"), False, errors.ProviderUnavailable),
        (httpx.ReadError("reset"), True, errors.ProviderIncomplete),
        (KeyError("a bug below us"), True, errors.ProviderError),
    ],
)
def test_failures_of_the_connection_are_told_apart(
    failure: Exception, started: bool, kind: type[LLMError]
) -> None:
    error = to_error(failure, started=started, secrets=(), partial_usage=None)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("error", errors.ProviderError),
        ("garbage", errors.ProviderError),
        ("reset", errors.ProviderIncomplete),
        ("cut", errors.ProviderIncomplete),
        ("close", errors.ProviderIncomplete),
    ],
)
def test_what_arrived_before_a_failure_is_delivered(
    provider: Provider, prompt: MakePrompt, fault: str, kind: type[LLMError]
) -> None:
    provider.enqueue(Answer(tokens=9, fault=fault, fault_after=2))  # type: ignore[arg-type]  # parametrize knows no literals
    outcome = ask(prompt())
    assert outcome.text == "w0 w1 "
    assert type(outcome.error) is kind
    usage = outcome.error.partial_usage
    assert usage is not None
    assert usage.estimated
    assert usage.completion_tokens > 0


def test_the_kind_of_an_error_in_mid_stream_counts(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(
        Answer(fault="error", fault_after=1, error_type="overloaded_error"),
        Answer(fault="error", fault_after=1, error_code="insufficient_quota"),
    )
    assert type(ask(prompt()).error) is errors.ProviderUnavailable
    assert type(ask(prompt()).error) is errors.ProviderQuotaExceeded


def test_an_end_without_a_finish_reason_is_incomplete(
    provider: Provider, prompt: MakePrompt
) -> None:
    """LiteLLM would say "stop"; here even the usage and [DONE] have come."""
    provider.enqueue(Answer(finish=None))
    outcome = ask(prompt())
    assert outcome.text == "w0 w1 w2 "
    assert type(outcome.error) is errors.ProviderIncomplete
    assert outcome.error.partial_usage is not None
    assert not outcome.error.partial_usage.estimated


def test_an_empty_stream_is_incomplete(provider: Provider, prompt: MakePrompt) -> None:
    provider.enqueue(Answer(fault="close"))
    outcome = ask(prompt())
    assert type(outcome.error) is errors.ProviderIncomplete
    assert outcome.error.partial_usage is None


@pytest.mark.parametrize(
    "slow",
    [
        Answer(headers_after=600),
        Answer(first_after=600, pings_every=0.05),
        Answer(fault="stall", fault_after=0, pings_every=0.05),
    ],
    ids=["no-headers", "only-pings", "role-and-pings"],
)
def test_no_first_token_in_time_is_a_timeout(
    provider: Provider, prompt: MakePrompt, slow: Answer
) -> None:
    provider.enqueue(slow)
    outcome = ask(prompt(timeouts=FAST))
    assert outcome.events == []
    assert type(outcome.error) is errors.ProviderTimeout
    provider.wait_closed()


def test_silence_in_the_middle_is_a_timeout_although_pings_come(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(tokens=9, fault="stall", fault_after=2, pings_every=0.05))
    outcome = ask(prompt(timeouts=Timeouts(first_token=60, idle=1)))
    assert outcome.text == "w0 w1 "
    assert type(outcome.error) is errors.ProviderTimeout
    provider.wait_closed()


def test_silence_after_a_piece_counts_from_that_piece(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(tokens=9, fault="stall", fault_after=1))
    patience = Timeouts(first_token=600, idle=0.2)
    assert type(ask(prompt(timeouts=patience)).error) is errors.ProviderTimeout


def test_a_reply_may_take_longer_than_any_of_its_pieces(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(tokens=30, pace=20))
    outcome = ask(prompt(timeouts=Timeouts(first_token=20, idle=1.4)))
    assert outcome.finished.usage == Usage(10, 30)


def test_an_endless_reply_ends_at_the_total(
    provider: Provider, prompt: MakePrompt
) -> None:
    provider.enqueue(Answer(tokens=500, pace=50))
    outcome = ask(prompt(timeouts=Timeouts(first_token=10, idle=10, total=4)))
    assert outcome.text.startswith("w0 w1 ")
    assert type(outcome.error) is errors.ProviderTimeout
    provider.wait_closed()


def test_every_error_has_a_code_of_its_own_and_a_sentence() -> None:
    def below(kind: type[LLMError]) -> list[type[LLMError]]:
        return [kind, *(k for sub in kind.__subclasses__() for k in below(sub))]

    kinds = below(LLMError)[1:]
    assert len({kind.code for kind in kinds}) == len(kinds) >= 12
    assert all(kind.code.startswith("provider_") for kind in kinds)
    assert all(kind.text.endswith(".") for kind in kinds)
