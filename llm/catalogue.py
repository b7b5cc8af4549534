"""What is known about providers and models: windows, prices, names.

Read from the price list bundled with LiteLLM; what it does not know is None, never a
guess. The first call imports litellm (seconds): preload it at start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from llm import _litellm
from llm.local import LOCAL_CONTEXT_WINDOW, LOCAL_MODEL_NAME

# Ours: served by any program that speaks OpenAI's API at the given address.
OPENAI_COMPATIBLE: Final = frozenset({"openai_compatible", "local"})
# Usable without a key: programs that people run themselves.
KEYLESS: Final = OPENAI_COMPATIBLE | frozenset(
    {
        "docker_model_runner",
        "hosted_vllm",
        "lemonade",
        "llamafile",
        "lm_studio",
        "ollama",
        "ollama_chat",
        "xinference",
    }
)
# An allow-list, because LiteLLM takes the credentials of many providers from the
# machine (environment, cloud SDKs, log-in files), even when a key comes with the call:
# a tenant would use the operator's account. With these the given key, and nothing of
# a poisoned environment, was seen to arrive (litellm 1.106.2).
_BY_KEY: Final = frozenset(
    """
    ai21 ai21_chat aiml anthropic apertis azure azure_ai baseten cerebras chutes
    codestral cohere cohere_chat cometapi compactifai cortecs dashscope deepinfra
    deepseek edenai empower featherless_ai fireworks_ai friendliai galadriel gemini
    github gradient_ai groq helicone heroku huggingface hyperbolic inception lambda_ai
    libertai litellm_proxy meta meta_llama minimax mistral modelscope moonshot morph
    nano-gpt nebius novita nscale nvidia_nim openai openrouter ovhcloud parasail
    perplexity poe publicai reka sambanova scaleway synthetic tencent together_ai v0
    vercel_ai_gateway volcengine wandb xai xiaomi_mimo zai
    """.split()  # noqa: SIM905  67 quoted names are no better
)
_CHAT_MODES: Final = frozenset({"chat", "responses"})


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one token; `cached` is for prompt tokens read from a cache,
    `reasoning` for completion tokens that are no part of the answer."""

    input: Decimal
    output: Decimal
    cached: Decimal
    reasoning: Decimal


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do besides reading and writing text."""

    vision: bool
    tools: bool
    reasoning: bool


_FREE: Final = Price(Decimal(0), Decimal(0), Decimal(0), Decimal(0))


def provider_names() -> frozenset[str]:
    """Names an `Endpoint` may have: LiteLLM's that take a key per call, and ours."""
    return _BY_KEY | KEYLESS


@lru_cache(maxsize=256)
def models_of(provider: str) -> tuple[str, ...]:
    """Known chat models, sorted, without the provider's prefix; empty when unknown."""
    if provider == "local":
        return (LOCAL_MODEL_NAME,)
    return tuple(
        sorted(
            {
                name.removeprefix(f"{provider}/")
                for name, entry in _litellm.cost_map().items()
                if entry.get("litellm_provider") == provider
                and entry.get("mode") in _CHAT_MODES
            }
        )
    )


def context_window(provider: str, model: str) -> int | None:
    """Tokens the model can read in one call, or None."""
    if provider == "local":
        return LOCAL_CONTEXT_WINDOW
    entry = _entry(provider, model)
    window = _tokens(entry, "max_input_tokens")
    if window is None and "max_output_tokens" not in entry:
        return _tokens(entry, "max_tokens")
    return window


def max_output_tokens(provider: str, model: str) -> int | None:
    """Tokens the model can write in one call, or None."""
    if provider == "local":
        return LOCAL_CONTEXT_WINDOW
    return _tokens(_entry(provider, model), "max_output_tokens")


def abilities(provider: str, model: str) -> Abilities | None:
    """None for a model the list does not know; what it does not say is a no."""
    if provider == "local":
        return Abilities(vision=False, tools=False, reasoning=False)
    entry = _entry(provider, model)
    if not entry:
        return None
    return Abilities(
        vision=entry.get("supports_vision") is True,
        tools=entry.get("supports_function_calling") is True,
        reasoning=entry.get("supports_reasoning") is True,
    )


def is_adaptive(provider: str, model: str) -> bool:
    """Whether it decides by itself how many tokens it thinks."""
    return _entry(provider, model).get("supports_adaptive_thinking") is True


def efforts(provider: str, model: str) -> frozenset[str] | None:
    """The less usual words for how long a model thinks (none, minimal, xhigh) that it
    is known to take; None for a model the list does not know."""
    entry = _entry(provider, model)
    if not entry:
        return None
    return frozenset(
        word
        for word in ("none", "minimal", "xhigh")
        if entry.get(f"supports_{word}_reasoning_effort") is True
    )


def supported_parameters(provider: str, model: str) -> frozenset[str] | None:
    """Names of OpenAI's parameters that LiteLLM can give to this model, or None where
    only the server itself knows."""
    if provider in OPENAI_COMPATIBLE:
        return None
    return _litellm.supported_parameters(provider, model)


@lru_cache(maxsize=4096)
def price(provider: str, model: str) -> Price | None:
    """The list price, None when there is none; the local model is free.

    Prices for long prompts, batches and cache writes are not considered.
    """
    if provider == "local":
        return _FREE
    entry = _entry(provider, model)
    input_price = _dollars(entry, "input_cost_per_token")
    output_price = _dollars(entry, "output_cost_per_token")
    if input_price is None or output_price is None:
        return None
    cached = _dollars(entry, "cache_read_input_token_cost")
    reasoning = _dollars(entry, "output_cost_per_reasoning_token")
    return Price(
        input=input_price,
        output=output_price,
        cached=input_price if cached is None else cached,
        reasoning=output_price if reasoning is None else reasoning,
    )


@lru_cache(maxsize=4096)
def _entry(provider: str, model: str) -> Mapping[str, object]:
    """The row of the price list, empty when there is none (misses are cached too)."""
    table = _litellm.cost_map()
    prefixed = table.get(f"{provider}/{model}")
    if prefixed is not None:
        return prefixed
    plain = table.get(model, {})
    return plain if plain.get("litellm_provider") == provider else {}


def _tokens(entry: Mapping[str, object], field: str) -> int | None:
    value = entry.get(field)
    return value if isinstance(value, int) and value > 0 else None


def _dollars(entry: Mapping[str, object], field: str) -> Decimal | None:
    """The list holds floats such as 1.5e-07; their shortest form is what was meant."""
    value = entry.get(field)
    return Decimal(str(value)) if isinstance(value, int | float) else None
