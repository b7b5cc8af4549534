"""The stand-in provider, and one way to put a prompt to it and collect the events."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from llm import _litellm
from llm.client import Endpoint, LiteLLMClient, Prompt, Scalar, Timeouts, Tool
from llm.errors import LLMError
from llm.events import Event, Finished, ReasoningDelta, TextDelta, ToolCalled
from llm.fast import FastClient
from llm.prompt import Message
from tests.provider import Provider

KEY = "tenant-0123456789abcdef"  # has no shape by which it could be recognised


@pytest.fixture(scope="session", autouse=True)
def litellm_loaded() -> None:
    _litellm.preload()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


AnyClient = LiteLLMClient | FastClient
_kinds: list[type[AnyClient]] = [FastClient]


@pytest.fixture(params=[LiteLLMClient, FastClient])
def each_client(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test runs once with each client."""
    _kinds.append(request.param)
    yield
    _kinds.pop()


def make_client() -> AnyClient:
    """The client under test."""
    return _kinds[-1]()


@dataclass
class Outcome:
    """What a stream gave: its events, and the error that ended it, if any."""

    events: list[Event] = field(default_factory=list)
    error: LLMError | None = None

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, TextDelta))

    @property
    def reasoning(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, ReasoningDelta))

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Names and arguments of the tools that are called."""
        found = (e for e in self.events if isinstance(e, ToolCalled))
        return [(call.name, call.arguments) for call in found]

    @property
    def finished(self) -> Finished:
        last = self.events[-1]
        assert isinstance(last, Finished), self.error and self.error.detail
        assert sum(isinstance(e, Finished) for e in self.events) == 1
        return last


MakePrompt = Callable[..., Prompt]


@pytest.fixture
def prompt(provider: Provider) -> MakePrompt:
    def make(
        *,
        endpoint: Endpoint | None = None,
        model: str = "some-model",
        messages: Sequence[Message] = ({"role": "user", "content": "Hi"},),
        parameters: Mapping[str, Scalar | Sequence[Scalar]] | None = None,
        timeouts: Timeouts | None = None,
        tools: Sequence[Tool] = (),
    ) -> Prompt:
        return Prompt(
            endpoint or Endpoint("openai_compatible", KEY, provider.url),
            model,
            messages,
            parameters or {},
            timeouts or Timeouts(),
            tools,
        )

    return make


async def collect(prompt: Prompt, client: AnyClient | None = None) -> Outcome:
    outcome = Outcome()
    client = client or make_client()
    try:
        async with aclosing(client.stream(prompt)) as events:
            async for event in events:
                outcome.events.append(event)
    except LLMError as error:
        outcome.error = error
    finally:
        await client.aclose()
    return outcome


def ask(prompt: Prompt, client: AnyClient | None = None) -> Outcome:
    """Put `prompt` to the stand-in on a loop of its own."""
    return asyncio.run(collect(prompt, client))
