"""Values that a model refuses, alone or beside others, and what it takes instead.

LiteLLM leaves out what a provider does not know at all; a value out of its bounds, or
two that do not go together, it passes on, and the provider refuses the whole call. An
agent's parameters also meet models they were not made for: its fallbacks, and whatever
model a person chooses.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from llm import _litellm, catalogue

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh")
# Every reasoning model of OpenAI's takes these; of the others its price list tells.
_USUAL_EFFORTS: Final = frozenset({"low", "medium", "high"})
# Tokens that Claude may think, as LiteLLM puts the words into numbers; at least the
# first, and always fewer than max_tokens.
_BUDGETS: Final = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
}
_LEAST_BUDGET: Final = 1024
# The rest of max_tokens is for the answer.
_THINKING_SHARE: Final = 0.75
# Claude's later models refuse temperature and top_p together.
_TAKES_BOTH: Final = re.compile(r"claude-(?:2|3|instant|(?:opus|sonnet)-4-(?:0|2025))")


def suited(provider: str, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as they are sent: the nearest that this model takes."""
    return _suited(provider, model, given)[0]


def misfits(provider: str, model: str, given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with each parameter that the model would not get as it is given; in
    words that follow its name."""
    wrong = _suited(provider, model, given)[1]
    apart = {*wrong, "max_tokens", *(n for n, v in given.items() if v is None)}
    left = {name: given[name] for name in given.keys() - apart}
    if provider not in catalogue.OPENAI_COMPATIBLE:
        for name in _litellm.dropped_parameters(provider, model, left):
            if not _means_nothing(provider, name, given[name]):
                wrong[name] = f"is not taken as {given[name]}"
    return wrong


def _suited(
    provider: str, model: str, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    made = {name: value for name, value in given.items() if value is not None}
    wrong: dict[str, str] = {}
    effort = made.get("reasoning_effort")
    if effort is not None and effort not in (taken := _efforts(provider, model)):
        made["reasoning_effort"] = _nearest(effort, taken)
        wrong["reasoning_effort"] = f"is one of {', '.join(taken)}"
    if provider == "anthropic":
        _suit_claude(model, made, wrong)
    return made, wrong


def _suit_claude(model: str, made: dict[str, Any], wrong: dict[str, str]) -> None:
    if made.get("temperature", 0) > 1:
        made["temperature"] = 1
        wrong["temperature"] = "goes from 0 to 1"
    if _has_effort(made) and _thinks(model):
        _make_room(model, made, wrong)
    if _has_effort(made) and _thinks(model):
        for name, low in (("temperature", 1), ("top_p", 0.95)):
            if made.get(name, 1) < low:
                del made[name]
                wrong[name] = "is not taken beside reasoning_effort"
    if {"temperature", "top_p"} <= made.keys() and not _TAKES_BOTH.match(model):
        del made["top_p"]
        wrong["top_p"] = "is not taken beside temperature"


def _make_room(model: str, made: dict[str, Any], wrong: dict[str, str]) -> None:
    """For the answer, where the model is told how many tokens it may think."""
    most = made.get("max_tokens")
    if catalogue.is_adaptive("anthropic", model) or not isinstance(most, int):
        return
    room = int(most * _THINKING_SHARE)
    if room < _LEAST_BUDGET:
        del made["reasoning_effort"]
        least = -(-_LEAST_BUDGET * 4 // 3)
        wrong["reasoning_effort"] = f"needs max_tokens of {least} or more"
    elif room < _BUDGETS[made["reasoning_effort"]]:
        del made["reasoning_effort"]
        made["thinking"] = {"type": "enabled", "budget_tokens": room}


def _has_effort(made: Mapping[str, Any]) -> bool:
    return "thinking" in made or made.get("reasoning_effort", "none") != "none"


@lru_cache(maxsize=1024)
def _thinks(model: str) -> bool:
    taken = catalogue.supported_parameters("anthropic", model)
    return taken is None or "reasoning_effort" in taken


@lru_cache(maxsize=4096)
def _efforts(provider: str, model: str) -> tuple[str, ...]:
    """The words for it that the model knows; all where nobody says."""
    if provider == "gemini":
        return tuple(effort for effort in EFFORTS if effort != "xhigh")
    if provider in {"openai", "azure"}:
        named = catalogue.efforts(provider, model)
        if named is not None:
            return tuple(e for e in EFFORTS if e in _USUAL_EFFORTS | named)
    return EFFORTS


def _nearest(effort: str, taken: tuple[str, ...]) -> str:
    place = EFFORTS.index(effort)
    return min(taken, key=lambda other: abs(EFFORTS.index(other) - place))


def _means_nothing(provider: str, name: str, value: Any) -> bool:
    """Whether leaving it out is doing as it says."""
    if name == "reasoning_effort":
        return provider == "anthropic" and value == "none"
    return name == "response_format" and value == {"type": "text"}
