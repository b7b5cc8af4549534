"""Parameters as a model takes them, and what is told of those it does not."""

from __future__ import annotations

from typing import Any

import pytest

from llm.client import Endpoint, Prompt, _arguments
from llm.suiting import misfits, suited

OLD, NEW = "claude-sonnet-4-5", "claude-opus-4-7"  # told how long to think, or not
THINKING = {"type": "enabled", "budget_tokens": 3072}

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    # kind, model, given → sent
    (
        "openai",
        "gpt-4o",
        {"temperature": 2, "top_p": 1},
        {"temperature": 2, "top_p": 1},
    ),
    ("openai", "gpt-4o", {"seed": None}, {}),
    ("anthropic", OLD, {"temperature": 2}, {"temperature": 1}),
    ("anthropic", OLD, {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2}),
    ("anthropic", OLD, {"top_p": 0.9}, {"top_p": 0.9}),
    (
        *("anthropic", "claude-3-haiku-20240307"),
        {"temperature": 0.2, "top_p": 0.9},
        {"temperature": 0.2, "top_p": 0.9},
    ),
    (
        *("anthropic", OLD),
        {"temperature": 0.2, "top_p": 0.9, "reasoning_effort": "low"},
        {"reasoning_effort": "low"},
    ),
    (
        *("anthropic", OLD),
        {"temperature": 0.2, "reasoning_effort": "none"},
        {"temperature": 0.2, "reasoning_effort": "none"},
    ),
    # Claude refuses max_tokens that are not more than it may think.
    (
        *("anthropic", OLD),
        {"reasoning_effort": "high", "max_tokens": 4096},
        {"thinking": THINKING, "max_tokens": 4096},
    ),
    (
        *("anthropic", OLD),
        {"reasoning_effort": "high", "max_tokens": 8192},
        {"reasoning_effort": "high", "max_tokens": 8192},
    ),
    (
        *("anthropic", OLD),
        {"reasoning_effort": "low", "max_tokens": 1000, "temperature": 0.2},
        {"max_tokens": 1000, "temperature": 0.2},
    ),
    (
        *("anthropic", NEW),
        {"reasoning_effort": "high", "max_tokens": 1000},
        {"reasoning_effort": "high", "max_tokens": 1000},
    ),
    ("openai", "o3", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "high"}),
    ("openai", "gpt-5", {"reasoning_effort": "none"}, {"reasoning_effort": "minimal"}),
    ("openai", "not-yet", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}),
    (
        "gemini",
        "gemini-2.5-pro",
        {"reasoning_effort": "xhigh"},
        {"reasoning_effort": "high"},
    ),
    (
        *("openai_compatible", "some-model"),
        {"temperature": 2, "top_p": 0.1, "reasoning_effort": "xhigh"},
        {"temperature": 2, "top_p": 0.1, "reasoning_effort": "xhigh"},
    ),
]


@pytest.mark.parametrize(("kind", "model", "given", "sent"), CASES)
def test_a_model_gets_what_it_takes(
    kind: str, model: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert suited(kind, model, given) == sent
    if "thinking" not in sent:
        told = {n for n, v in given.items() if v is not None and sent.get(n) != v}
        assert misfits(kind, model, given).keys() == told


def test_what_litellm_would_leave_out_is_told() -> None:
    assert misfits("openai", "gpt-5", {"temperature": 0.5}).keys() == {"temperature"}
    assert misfits("openai", "gpt-5", {"temperature": 1}) == {}
    assert misfits("anthropic", NEW, {"temperature": 0.5}).keys() == {"temperature"}
    assert misfits("anthropic", OLD, {"response_format": {"type": "text"}}) == {}


def test_the_slow_lane_knows_whose_model_it_asks() -> None:
    """A server of one's own may call a model as it likes."""
    given: dict[str, Any] = {"reasoning_effort": "none", "temperature": 2}
    own = Endpoint("openai_compatible", base_url="http://127.0.0.1:9/v1")
    sent = _arguments(Prompt(own, "o3", [], given))
    assert given.items() <= sent.items()
    claude = _arguments(Prompt(Endpoint("anthropic", "k"), OLD, [], {"temperature": 2}))
    assert claude["temperature"] == 1
