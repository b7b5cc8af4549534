"""Windows and prices from the bundled list; what is unknown is None."""

from decimal import Decimal

import pytest

from llm import catalogue
from llm.events import Usage
from llm.local import LOCAL_CONTEXT_WINDOW, LOCAL_MODEL_NAME


def test_known_models_have_windows_and_prices() -> None:
    assert catalogue.context_window("openai", "gpt-4o-mini") == 128_000
    assert catalogue.max_output_tokens("openai", "gpt-4o-mini") == 16_384
    assert catalogue.price("openai", "gpt-4o-mini") == catalogue.Price(
        Decimal("0.00000015"), Decimal("0.0000006"), Decimal("0.000000075")
    )


def test_prefixed_names_are_found() -> None:
    """The list has these as groq/…, and gpt-4o-mini without its provider."""
    name = catalogue.models_of("groq")[0]
    assert not name.startswith("groq/")
    assert catalogue.context_window("groq", name) is not None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("openai_compatible", "gpt-4o-mini"),
        ("groq", "gpt-4o-mini"),
        ("nobody", ""),
    ],
)
def test_what_is_unknown_is_none(provider: str, model: str) -> None:
    assert catalogue.context_window(provider, model) is None
    assert catalogue.max_output_tokens(provider, model) is None
    assert catalogue.price(provider, model) is None
    assert catalogue.cost(provider, model, Usage(1, 1)) is None


def test_cost_is_exact_and_counts_cached_tokens_at_their_price() -> None:
    usage = Usage(1_000_003, 7, cached_tokens=1_000_000)
    cost = catalogue.cost("openai", "gpt-4o-mini", usage)
    assert cost == Decimal("0.075") + 3 * Decimal("1.5e-7") + 7 * Decimal("6e-7")


def test_a_cost_that_floats_would_blur_is_exact() -> None:
    cost = catalogue.cost("openai", "gpt-4o-mini", Usage(3, 0))
    assert cost == Decimal("0.00000045")


def test_the_local_model_is_free_and_its_window_is_known() -> None:
    cost = catalogue.cost("local", LOCAL_MODEL_NAME, Usage(10, 10))
    assert cost == 0
    assert isinstance(cost, Decimal)
    assert catalogue.context_window("local", LOCAL_MODEL_NAME) == LOCAL_CONTEXT_WINDOW
    assert catalogue.models_of("local") == (LOCAL_MODEL_NAME,)


def test_models_of_lists_chat_models_only() -> None:
    models = catalogue.models_of("openai")
    assert "gpt-4o-mini" in models
    assert "text-embedding-3-small" not in models
    assert catalogue.models_of("nobody") == ()


def test_providers_that_use_the_machines_credentials_are_not_offered() -> None:
    names = catalogue.provider_names()
    assert {"openai", "anthropic", "xai", "local", "openai_compatible"} <= names
    assert names.isdisjoint({"vertex_ai", "bedrock", "sagemaker", "github_copilot"})
