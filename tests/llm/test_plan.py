"""What a plan prepares is what `acompletion` sends; a real server receives both."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llm import catalogue, plan
from llm.client import Endpoint, LiteLLMClient, Prompt, Scalar
from llm.errors import LLMError
from llm.events import ToolCalled
from llm.fast import FastClient
from llm.lanes import ROUTES, Lane, Lanes
from llm.plan import Planner
from llm.prompt import asked_tools, tool_result
from tests.llm.conftest import KEY, MakePrompt, ask
from tests.provider import Answer, Provider, Request

Parameters = Mapping[str, Scalar | Sequence[Scalar]]

MODELS = [
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5"),
    ("openai", "o3-mini"),
    ("openai_compatible", "org/some-model"),
    ("azure", "my-deployment"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("gemini", "gemini-2.5-flash"),
    ("xai", "grok-4"),
    ("mistral", "mistral-large-latest"),
    ("groq", "llama-3.3-70b-versatile"),
    ("deepseek", "deepseek-chat"),
    ("openrouter", "anthropic/claude-3.5-sonnet"),
    ("together_ai", "meta-llama/Llama-3-8b-chat-hf"),
    ("perplexity", "sonar"),
    ("ollama_chat", "llama3.2"),
]
SYSTEM = {"role": "system", "content": "Be brief."}


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


HISTORIES = {
    "plain": [said("user", "Hi")],
    "system": [SYSTEM, said("user", "Hi")],
    "turns": [
        SYSTEM,
        said("user", "What is 2+2?"),
        said("assistant", "4"),
        said("user", "And why?"),
        said("user", "I mean it."),
    ],
    "unicode": [said("user", 'Grüß\u2028 dich \u0085 😀 日本 "quoted" \\ \x7f\t\n')],
    "long": [
        SYSTEM,
        *(said(["user", "assistant"][i % 2], f"Line {i} " * 40) for i in range(41)),
    ],
}
PARAMETERS: dict[str, Parameters] = {
    "none": {},
    "sampling": {"temperature": 0.2, "top_p": 0.9, "max_tokens": 50, "seed": 7},
    "stops": {
        "stop": ["END", "."],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "top_k": None,
    },
    "one-stop": {"stop": "END", "temperature": 0},
    "effort": {"reasoning_effort": "low", "max_tokens": 4000},
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "docs__look_up",
            "description": "Finds a page.",
            "parameters": {
                "type": "object",
                "properties": {"q": {"type": "string"}},
                "required": ["q"],
            },
        },
    }
]
CALLS = [ToolCalled("call_1", "docs__look_up", '{"q":"a"}')]
WITH_TOOLS = {
    "asked": [SYSTEM, said("user", "Hi")],
    "called": [
        said("user", "Hi"),
        asked_tools("Let me see.", CALLS),
        tool_result("call_1", "Found."),
    ],
    "called twice, silently, and answered": [
        said("user", "Hi"),
        asked_tools("", [*CALLS, ToolCalled("call_2", "docs__look_up", "{}")]),
        tool_result("call_1", "Found."),
        tool_result("call_2", ""),
        said("assistant", "So it is."),
        said("user", "And?"),
    ],
}
# What HTTP libraries add of their own; nothing there is a provider's.
TRANSPORT = {
    *("accept", "accept-encoding", "connection", "content-length", "content-type"),
    *("host", "user-agent"),
}


def essence(request: Request) -> tuple[str, str, dict[str, str], Any]:
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in TRANSPORT and not name.startswith("x-stainless-")
    }
    return request.method, request.path, headers, request.body


def both(provider: Provider, prompt: Prompt) -> tuple[Request, Request]:
    """The request as LiteLLM sends it and as we send it."""
    for client in (LiteLLMClient(), FastClient()):
        provider.enqueue(Answer(tokens=1))
        ask(prompt, client)
    litellm, ours = provider.requests
    assert litellm.headers["user-agent"] != ours.headers["user-agent"]
    provider.requests.clear()
    return litellm, ours


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_requests_are_those_of_acompletion(
    provider: Provider, prompt: MakePrompt, name: str, model: str
) -> None:
    endpoint = Endpoint(name, KEY, provider.url)
    for history, messages in HISTORIES.items():
        for kind, parameters in PARAMETERS.items():
            if kind != "none" and history not in {"plain", "turns"}:
                continue
            asked = prompt(
                endpoint=endpoint,
                model=model,
                messages=messages,
                parameters=parameters,
            )
            litellm, ours = both(provider, asked)
            assert essence(ours) == essence(litellm), (history, kind)


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_requests_with_tools_are_those_of_acompletion(
    provider: Provider, prompt: MakePrompt, name: str, model: str
) -> None:
    for history, messages in WITH_TOOLS.items():
        asked = prompt(
            endpoint=Endpoint(name, KEY, provider.url),
            model=model,
            messages=messages,
            tools=TOOLS,
        )
        litellm, ours = both(provider, asked)
        assert essence(ours) == essence(litellm), history
        # Perplexity's models call no tools.
        assert ("Finds a page" in json.dumps(ours.body)) == (name != "perplexity")


@pytest.mark.parametrize(
    "name", sorted(n for n, route in ROUTES.items() if route.lane is not Lane.LITELLM)
)
def test_every_planned_providers_request_is_that_of_acompletion(
    provider: Provider, prompt: MakePrompt, name: str
) -> None:
    asked = prompt(
        endpoint=Endpoint(name, KEY, provider.url),
        messages=HISTORIES["turns"],
        parameters=PARAMETERS["sampling"],
    )
    litellm, ours = both(provider, asked)
    assert essence(ours) == essence(litellm)


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_filling_a_plan_does_not_use_it_up(name: str, model: str) -> None:
    parameters: Parameters = {**PARAMETERS["sampling"], "stop": ["END"], "top_k": 3}
    made = Planner(Lanes()).plan(
        Endpoint(name, KEY, "http://host.invalid"), model, parameters
    )
    first, second = (asyncio.run(made.prepare(HISTORIES["turns"])) for _ in range(2))
    assert tuple(first) == tuple(second)


def test_bodies_are_json_as_they_are_sent(
    provider: Provider, prompt: MakePrompt
) -> None:
    ask(prompt(), FastClient())
    (request,) = provider.requests
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"


def prepared(
    endpoint: Endpoint, model: str, messages: Sequence[Mapping[str, str]]
) -> plan.Request:
    made = Planner(Lanes()).plan(endpoint, model, {})
    return asyncio.run(made.prepare(messages))


def test_a_long_history_with_lone_surrogates_can_still_be_sent() -> None:
    request = prepared(
        Endpoint("openai", KEY), "gpt-4o", [said("user", "a\ud800b" + "x" * 2_000_000)]
    )
    content = json.loads(request.body)["messages"][0]["content"]
    assert content.startswith("a\ud800b")


def test_addresses_and_keys_are_never_the_operators() -> None:
    """In a process of its own, because LiteLLM reads much of it when imported."""
    script = """
import asyncio
from llm.client import Endpoint
from llm.lanes import ROUTES, Lane, Lanes
from llm.plan import Planner
from llm.prompt import asked_tools, tool_result
planner = Planner(Lanes())
for name, route in ROUTES.items():
    if route.lane is Lane.LITELLM or route.address is None:
        continue
    plan = planner.plan(Endpoint(name, "tenant-key"), "some-model", {})
    assert plan.lane is route.lane, plan.reason
    request = asyncio.run(plan.prepare([{"role": "user", "content": "Hi"}]))
    assert request.url.startswith(route.address), (name, request.url)
    assert "tenant-key" in repr(dict(request.headers)), name
    assert "operator" not in repr(dict(request.headers)) + request.url, name
"""
    names = [name.upper().replace("-", "_") for name in ROUTES]
    poison = {
        f"{name}_{what}": "http://sk-operator.invalid"
        for name in [*names, "TOGETHERAI", "FIREWORKS", "PERPLEXITYAI", "GOOGLE"]
        for what in ("API_KEY", "API_BASE", "BASE_URL")
    }
    subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **poison}, check=True
    )


def test_plans_are_kept_by_everything_that_makes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "_MOST_PLANS", 3)
    planner = Planner(Lanes())
    endpoint = Endpoint("openai", KEY)
    first = planner.plan(endpoint, "gpt-4o", {"temperature": 1})
    assert planner.plan(endpoint, "gpt-4o", {"temperature": 1}) is first
    others: list[tuple[Endpoint, str, Parameters]] = [
        (Endpoint("openai", KEY + "2"), "gpt-4o", {"temperature": 1}),
        (Endpoint("openai", KEY, "http://x/v1"), "gpt-4o", {"temperature": 1}),
        (endpoint, "gpt-4o-mini", {"temperature": 1}),
        (endpoint, "gpt-4o", {"temperature": True}),
    ]
    assert all(planner.plan(*other) is not first for other in others)
    assert len(planner._plans) == 3
    assert planner.plan(endpoint, "gpt-4o", {"temperature": 1}) is not first


def test_no_key_shows_in_a_plan_a_request_or_the_cache() -> None:
    planner = Planner(Lanes())
    made = planner.plan(Endpoint("anthropic", KEY), "claude-sonnet-4-5", {})
    request = asyncio.run(made.prepare([said("user", "Hi")]))
    assert KEY in request.headers["x-api-key"]
    shown = [made, request, planner._plans, made._recipe, vars(planner)]
    assert KEY not in repr(shown)


@pytest.mark.parametrize(
    ("name", "model", "base"),
    [
        ("openai", "o1-pro", None),  # speaks the Responses API only
        ("openai", "responses/gpt-4o", None),
        ("azure", "my-deployment", None),  # nowhere to send it
        ("azure", "my-deployment", "https://x.openai.azure.com/openai/v1"),
        ("lm_studio", "some-model", None),
        ("cohere", "command-r", None),
        ("vertex_ai", "gemini-2.5-pro", None),
        ("nobody", "some-model", None),
    ],
)
def test_what_cannot_be_planned_goes_by_litellm(
    name: str, model: str, base: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert FastClient().lane_of(name, model, base_url=base) is Lane.LITELLM
    assert caplog.records == [], "known exceptions are no news"


def test_a_provider_whose_plan_fails_is_served_by_litellm_with_one_warning(
    provider: Provider,
    prompt: MakePrompt,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AttributeError(f"LiteLLM has changed: {KEY}")

    monkeypatch.setattr(plan, "Recipe", fail)
    client = FastClient()
    with caplog.at_level(logging.WARNING):
        for model in ("some-model", "another-model"):
            provider.enqueue(Answer(tokens=2))
            assert ask(prompt(model=model), client).text == "w0 w1 "
    (record,) = caplog.records
    assert "openai_compatible" in record.getMessage()
    assert KEY not in caplog.text


def test_a_request_that_cannot_be_prepared_is_made_by_litellm(
    provider: Provider,
    prompt: MakePrompt,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: object) -> None:
        raise KeyError("content")

    client = FastClient()
    monkeypatch.setattr(plan.Plan, "prepare", fail)
    with caplog.at_level(logging.WARNING):
        assert ask(prompt(), client).text == "w0 w1 w2 "
        assert ask(prompt(), client).text == "w0 w1 w2 "
    assert len(caplog.records) == 1


def test_wrong_parameters_are_told_as_litellm_tells_them(
    provider: Provider, prompt: MakePrompt
) -> None:
    asked = prompt(
        endpoint=Endpoint("anthropic", KEY, provider.url),
        model="claude-sonnet-4-5",
        parameters={"max_tokens": "many"},
    )
    errors = [ask(asked, client).error for client in (LiteLLMClient(), FastClient())]
    assert all(isinstance(error, LLMError) for error in errors)
    assert type(errors[0]) is type(errors[1])


def test_the_catalogue_and_the_table_name_the_same_providers() -> None:
    assert set(ROUTES) == catalogue.provider_names()
