"""Token counts without a network."""

import socket

import pytest

from llm import tokens
from llm.events import Usage

HELLO = [{"role": "user", "content": "Hello, world!"}]


def test_text_is_counted_with_the_models_tokenizer() -> None:
    assert tokens.count_text("Hello, world!", "gpt-4o-mini") == 4
    assert tokens.count_text("", "gpt-4o-mini") == 0
    japanese = "日本語のトークン"
    assert tokens.count_text(japanese, "gpt-4o") < tokens.count_text(japanese, "gpt-4")


def test_messages_cost_more_than_their_text() -> None:
    assert tokens.count_messages(HELLO, "gpt-4o-mini") == 3 + 3 + 1 + 4


@pytest.mark.parametrize(
    "model", ["smollm2-135m", "meta-llama/Llama-3-8b", "command-r", "claude-sonnet-4-6"]
)
def test_no_model_name_makes_it_use_the_network(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert tokens.count_text("Hello, world!", model) == 4


def test_special_tokens_in_text_are_text() -> None:
    assert tokens.count_text("<|endoftext|>", "gpt-4o-mini") > 1


@pytest.mark.parametrize(
    "text", ["The quick brown fox jumps over the lazy dog. " * 20, "für Größe " * 50]
)
def test_the_estimate_is_near_the_count(text: str) -> None:
    count = tokens.count_text(text, "gpt-4")
    assert count / 2 < tokens.estimate(text) < count * 2


def test_an_estimated_usage_says_so() -> None:
    usage = tokens.estimate_usage(HELLO, "one two three", "gpt-4o-mini")
    assert usage == Usage(11, 3, estimated=True)
    assert usage.total_tokens == 14
