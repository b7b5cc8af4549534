"""Windows and prices from the bundled list; what is unknown is None."""

from decimal import Decimal

import pytest

from llm import catalogue
from llm.local import LOCAL_CONTEXT_WINDOW, LOCAL_MODEL_NAME


def test_known_models_have_windows_and_prices() -> None:
    assert catalogue.context_window("openai", "gpt-4o-mini") == 128_000
    assert catalogue.max_output_tokens("openai", "gpt-4o-mini") == 16_384
    assert catalogue.price("openai", "gpt-4o-mini") == catalogue.Price(
        input=Decimal("0.00000015"),
        output=Decimal("0.0000006"),
        cached=Decimal("0.000000075"),
        reasoning=Decimal("0.0000006"),
    )


def test_reasoning_has_a_price_of_its_own_where_the_list_has_one() -> None:
    found = catalogue.price("perplexity", "sonar-deep-research")
    assert found is not None
    assert found.reasoning == Decimal("0.000003") != found.output


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


def test_the_local_model_is_free_and_its_window_is_known() -> None:
    found = catalogue.price("local", LOCAL_MODEL_NAME)
    assert found is not None and found.input == found.output == 0
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
