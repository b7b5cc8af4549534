"""Calls that admins make to a provider themselves: a test, its list of models.

Apart from turns: nothing is stored but the test's row in the ledger. Both wait for the
network, so hold no connection to the database meanwhile (tenants.db.release).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import structlog
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from accounts.models import User
from agents.models import MODEL_NAME, Provider
from agents.resolving import reach
from llm import catalogue, discovery
from llm.client import Endpoint, Prompt, Timeouts
from llm.errors import LLMError
from llm.events import Finished, Usage
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


def check_provider(
    provider: Provider, model: str = "", *, user: User, api_key_id: int | None = None
) -> Tested:
    """Ask for one token, for at most 15 seconds, charged to `user`. `provider` is a row
    of ProviderQuerySet.with_ciphertext; without `model` its first one is asked.

    Raises django's ValidationError where there is no model to ask.
    """
    known = model or next(iter(provider.model_names), "")
    known = known or next(iter(catalogue.models_of(provider.kind)), "")
    if not known:
        raise ValidationError({"model": gettext("Name a model to ask.")})
    try:
        MODEL_NAME(known)
    except ValidationError as error:
        raise ValidationError({"model": error.messages}) from error
    started = time.monotonic()
    try:
        endpoint, _ = reach(provider)
    except LLMError as error:  # nobody was asked
        return _told(error, known, started)
    prompt = _question(endpoint, known)
    release()
    usage, failure = async_to_sync(_ask)(prompt)
    tested = _told(failure, known, started)
    record: Callable[..., None] = import_string(settings.TEST_RECORDER)
    record(
        user_id=user.pk,
        api_key_id=api_key_id,
        model=f"{provider.name}/{known}",
        prompt=prompt,
        usage=usage,
        failed=failure is not None,
        duration_ms=tested.latency_ms,
    )
    return tested


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


def _question(endpoint: Endpoint, model: str) -> Prompt:
    abilities = catalogue.abilities(endpoint.provider, model)
    thinks = abilities is not None and abilities.reasoning
    return Prompt(
        endpoint=endpoint,
        model=model,
        messages=[_QUESTION],
        parameters={"max_tokens": _THINKING_TOKENS if thinks else _TOKENS},
        timeouts=Timeouts(
            connect=_SECONDS, first_token=_SECONDS, idle=_SECONDS, total=_SECONDS
        ),
    )


async def _ask(prompt: Prompt) -> tuple[Usage, LLMError | None]:
    """What was used, and why there is no answer."""
    usage = Usage(0, 0)
    try:
        async with aclosing(client().stream(prompt)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    usage = event.usage
    except LLMError as error:
        return error.partial_usage or usage, error
    return usage, None


def _told(error: LLMError | None, model: str, started: float) -> Tested:
    latency_ms = round((time.monotonic() - started) * 1000)
    if error is None:
        logger.info("provider tested", code="", detail="")
        return Tested(
            True, "", gettext("%(model)s answered.") % {"model": model}, latency_ms
        )
    # The reason in the provider's words is for the log alone.
    logger.info("provider tested", code=error.code, detail=error.detail)
    return Tested(False, error.code, gettext(error.text), latency_ms)
