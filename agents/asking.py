"""Calls that admins make to a provider themselves: a test, its list of models.

Apart from turns: nothing is stored. Both wait for the network, so hold no connection
to the database meanwhile (tenants.db.release).
"""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import structlog
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.exceptions import ValidationError

from agents.models import Provider
from agents.resolving import reach
from llm import catalogue, discovery
from llm.client import Endpoint, Prompt, Timeouts
from llm.errors import LLMError
from llm.fast import FastClient
from tenants.db import release

logger = structlog.get_logger(__name__)

_SECONDS = 15.0
# One token says whether a model answers; those that think first refuse to be cut there.
_TOKENS, _THINKING_TOKENS = 1, 64
_QUESTION = {"role": "user", "content": "Say hello."}


@lru_cache(maxsize=1)
def client() -> FastClient:
    """How this process reaches models, turns included."""
    return FastClient(
        settings.LLM_LANES,
        limit=settings.TURN_LIMIT,
        private_addresses=settings.ALLOW_PRIVATE_ADDRESSES,
    )


@dataclass(frozen=True, slots=True)
class Tested:
    """`code` is one of llm.errors, empty where the model answered; `detail` says the
    same to a person."""

    ok: bool
    code: str
    detail: str
    latency_ms: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as LiteLLM's price list knows it: None where it does not. Prices are
    US dollars for a million tokens."""

    name: str
    offered: bool
    enabled: bool
    context_window: int | None
    max_output_tokens: int | None
    input_per_million: Decimal | None
    output_per_million: Decimal | None
    vision: bool | None
    tools: bool | None
    reasoning: bool | None


def check_provider(provider: Provider, model: str = "") -> Tested:
    """Ask for one token, for at most 15 seconds. `provider` is a row of
    ProviderQuerySet.with_ciphertext; without `model` its first one is asked.

    Raises django's ValidationError where there is no model to ask.
    """
    known = model or next(iter(provider.model_names), "")
    known = known or next(iter(catalogue.models_of(provider.kind)), "")
    if not known:
        raise ValidationError({"model": "Name a model to ask."})
    started = time.monotonic()
    try:
        endpoint, _ = reach(provider)
        release()
        async_to_sync(_ask)(endpoint, known)
    except LLMError as error:
        # The reason in the provider's words is for the log alone.
        logger.info("provider tested", code=error.code, detail=error.detail)
        return Tested(False, error.code, error.text, _since(started))
    logger.info("provider tested", code="", detail="")
    return Tested(True, "", f"{known} answered.", _since(started))


def models_of(provider: Provider) -> list[ModelFacts]:
    """All models there are and all that are offered, by name. `provider` as above;
    raises LLMError for a server that does not say which it has."""
    endpoint = _listing_endpoint(provider)
    release()
    found = async_to_sync(discovery.models_at)(
        endpoint, private_addresses=settings.ALLOW_PRIVATE_ADDRESSES
    )
    return [facts(provider, name) for name in sorted({*found, *provider.model_names})]


def facts(provider: Provider, model: str) -> ModelFacts:
    kind = provider.kind
    abilities = catalogue.abilities(kind, model)
    price = catalogue.price(kind, model)
    return ModelFacts(
        name=model,
        offered=model in provider.model_names,
        enabled=provider.enabled and model not in provider.disabled_models,
        context_window=catalogue.context_window(kind, model),
        max_output_tokens=catalogue.max_output_tokens(kind, model),
        input_per_million=price.input * 1_000_000 if price else None,
        output_per_million=price.output * 1_000_000 if price else None,
        vision=abilities.vision if abilities else None,
        tools=abilities.tools if abilities else None,
        reasoning=abilities.reasoning if abilities else None,
    )


def _listing_endpoint(provider: Provider) -> Endpoint:
    """Lists that are known need neither key nor network."""
    if provider.kind in discovery.ASKED:
        return reach(provider)[0]
    return Endpoint(provider.kind)


async def _ask(endpoint: Endpoint, model: str) -> None:
    abilities = catalogue.abilities(endpoint.provider, model)
    thinks = abilities is not None and abilities.reasoning
    prompt = Prompt(
        endpoint=endpoint,
        model=model,
        messages=[_QUESTION],
        parameters={"max_tokens": _THINKING_TOKENS if thinks else _TOKENS},
        timeouts=Timeouts(
            connect=_SECONDS, first_token=_SECONDS, idle=_SECONDS, total=_SECONDS
        ),
    )
    async with aclosing(client().stream(prompt)) as events:
        async for _event in events:
            pass


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
