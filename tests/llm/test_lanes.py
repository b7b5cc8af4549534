"""Which provider takes which lane, how that is forced, and what docs/lanes.md says."""

import re
from pathlib import Path

import pytest

from llm.fast import FastClient
from llm.lanes import ROUTES, Lane, Lanes
from tests.llm.conftest import MakePrompt, ask
from tests.provider import Answer, Provider

PAGE = Path(__file__).parents[2] / "docs" / "lanes.md"


def test_the_page_has_the_lanes_and_providers_of_the_code() -> None:
    written = {
        row[1]: set(re.findall(r"`([^`]+)`", row[3]))
        for row in re.finditer(
            r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE
        )
    }
    labels = dict(
        re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", PAGE.read_text(), re.MULTILINE)
    )
    coded: dict[str, set[str]] = {lane.value: set() for lane in Lane}
    for provider, route in ROUTES.items():
        coded[route.lane.value].add(provider)
    assert written == coded
    assert labels == {lane.value: lane.label for lane in Lane}


@pytest.mark.parametrize(
    ("forced", "expected"),
    [
        ({}, {"openai": Lane.OPENAI, "anthropic": Lane.ANTHROPIC}),
        ({"anthropic": "litellm"}, {"openai": Lane.OPENAI, "anthropic": Lane.LITELLM}),
        ({"*": "middle"}, {"anthropic": Lane.MIDDLE, "cohere": Lane.LITELLM}),
        (
            {"*": Lane.LITELLM, "gemini": "auto"},
            {"gemini": Lane.GEMINI, "openai": Lane.LITELLM, "nobody": Lane.LITELLM},
        ),
        ({"gemini": Lane.MIDDLE}, {"gemini": Lane.MIDDLE, "local": Lane.OPENAI}),
    ],
)
def test_lanes_can_be_forced(
    forced: dict[str, Lane | str], expected: dict[str, Lane]
) -> None:
    lanes = Lanes(forced)
    assert {provider: lanes.of(provider) for provider in expected} == expected


@pytest.mark.parametrize(
    "forced",
    [
        {"anthropic": "openai"},
        {"*": "openai"},
        {"cohere": "middle"},
        {"nobody": "litellm"},
        {"openai": "fastest"},
    ],
)
def test_nonsense_is_refused_at_the_start(forced: dict[str, Lane | str]) -> None:
    with pytest.raises(ValueError, match=r"lane|provider|Lane"):
        FastClient(forced)


def test_a_forced_lane_is_the_one_taken(provider: Provider, prompt: MakePrompt) -> None:
    agents = []
    for lanes in ({}, {"*": "middle"}, {"*": "litellm"}):
        provider.enqueue(Answer(tokens=2))
        assert ask(prompt(), FastClient(lanes)).text == "w0 w1 "
        agents.append(provider.requests[-1].headers["user-agent"])
    assert [agent == "parley" for agent in agents] == [True, True, False]


def test_an_admin_can_ask_for_the_lane_of_an_agent() -> None:
    client = FastClient({"groq": "litellm"})
    assert client.lane_of("openai", "gpt-4o", {"temperature": 1}) is Lane.OPENAI
    assert client.lane_of("openai", "o1-pro") is Lane.LITELLM
    assert client.lane_of("groq", "llama-3.3-70b-versatile") is Lane.LITELLM
    assert client.lane_of("local", "smollm2-135m", base_url="http://x/v1").label
