"""Plans: everything of a provider call that can be known before its messages.

A plan is made once for each endpoint, model and set of parameters and then only filled
(some 0.1 ms). What cannot be planned goes by LiteLLM, which is never an outage.
"""

import hashlib
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from llm import catalogue
from llm._requests import Recipe, UnplannableError
from llm.client import NO_KEY, Endpoint, Parameters, Tool
from llm.lanes import Lane, Lanes, route_of
from llm.parsers import Parser
from llm.parsers.anthropic import AnthropicParser
from llm.parsers.gemini import GeminiParser
from llm.parsers.middle import MiddleParser
from llm.parsers.openai import OpenAIParser

logger = logging.getLogger(__name__)

_OWN_PARSERS: Final[Mapping[Lane, type[Parser]]] = {
    Lane.OPENAI: OpenAIParser,
    Lane.ANTHROPIC: AnthropicParser,
    Lane.GEMINI: GeminiParser,
}
# LiteLLM sends these with every request; the providers show them as the caller's name.
_ATTRIBUTION: Final[Mapping[str, Mapping[str, str]]] = {
    "openrouter": {"HTTP-Referer": "https://litellm.ai", "X-Title": "liteLLM"},
}
_MOST_PLANS: Final = 1024


class Request(NamedTuple):
    """A POST; the headers hold the key, so there is no repr of them."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Request of {len(self.body)} bytes>"


class Plan:
    """How a call is made: its lane and, unless that is LiteLLM's, all but the messages.

    `reason` says why a provider that usually has a faster lane has not here.
    """

    __slots__ = ("_recipe", "lane", "provider", "reason")

    def __init__(
        self, provider: str, lane: Lane, recipe: Recipe | None, reason: str = ""
    ) -> None:
        self.provider = provider
        self.lane = lane
        self.reason = reason
        self._recipe = recipe

    def __repr__(self) -> str:
        return f"<Plan {self.provider} {self.lane.value}>"

    async def prepare(self, messages: Sequence[Mapping[str, Any]]) -> Request:
        """The request; raises what LiteLLM raises for messages it cannot send."""
        if self._recipe is None:
            raise UnplannableError(self.reason)
        url, headers, body = await self._recipe.fill(messages)
        headers = {**headers, **_ATTRIBUTION.get(self.provider, {})}
        return Request(url, headers, body if isinstance(body, bytes) else _json(body))

    def parser(self) -> Parser:
        """A reader for one answer."""
        own = _OWN_PARSERS.get(self.lane)
        if own is not None:
            return own()
        if self._recipe is None:
            raise UnplannableError(self.reason)
        return MiddleParser(self._recipe.iterator())


class Planner:
    """Makes plans and keeps the latest; the lanes of `lanes` apply."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._plans: OrderedDict[tuple[object, ...], Plan] = OrderedDict()
        self._salt = secrets.token_bytes(16)
        self._warned: set[tuple[str, str]] = set()

    def plan(
        self,
        endpoint: Endpoint,
        model: str,
        parameters: Parameters,
        tools: Sequence[Tool] = (),
    ) -> Plan:
        """The plan for such calls; about 0.5 ms when it is new.

        Imports litellm at the first call of a process, which takes seconds.
        """
        key = endpoint.api_key or NO_KEY
        index = (
            endpoint.provider,
            endpoint.base_url,
            model,
            json.dumps(dict(parameters), sort_keys=True, default=repr),
            json.dumps([*tools]) if tools else "",
            # A digest, so that no dump of the cache shows a key.
            hashlib.blake2b(
                key.encode(errors="surrogatepass"), key=self._salt, digest_size=16
            ).digest(),
        )
        plan = self._plans.get(index)
        if plan is None:
            plan = self._make(endpoint, key, model, parameters, tools)
            self._plans[index] = plan
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(index)
        return plan

    def _make(
        self,
        endpoint: Endpoint,
        key: str,
        model: str,
        parameters: Parameters,
        tools: Sequence[Tool],
    ) -> Plan:
        provider = endpoint.provider
        lane = self._lanes.of(provider)
        if lane is Lane.LITELLM:
            return Plan(provider, lane, None, "the provider's lane")
        route = route_of(provider)
        base = endpoint.base_url or route.address
        if base is None:
            return Plan(provider, Lane.LITELLM, None, "no address is given")
        name = "openai" if provider in catalogue.OPENAI_COMPATIBLE else provider
        given: dict[str, Any] = {k: v for k, v in parameters.items() if v is not None}
        if tools:
            given["tools"] = [*tools]
        try:
            recipe = Recipe(
                route.way, f"{name}/{model}", key=key, base=base, parameters=given
            )
        except UnplannableError as reason:
            return Plan(provider, Lane.LITELLM, None, str(reason))
        except Exception as failure:  # noqa: BLE001  LiteLLM raises anything
            self.warn(provider, "planned", failure)
            return Plan(provider, Lane.LITELLM, None, "its request cannot be planned")
        return Plan(provider, lane, recipe)

    def warn(self, provider: str, what: str, failure: Exception) -> None:
        """Say once that a provider's calls go by LiteLLM because ours failed.

        Without the failure's text, which may hold the key or the prompt.
        """
        if (provider, what) not in self._warned:
            self._warned.add((provider, what))
            logger.warning(
                "calls to %s go by LiteLLM: a request could not be %s (%s)",
                provider,
                what,
                type(failure).__name__,
            )


def _json(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # a lone surrogate, or an object of LiteLLM's
        return json.dumps(body, default=str).encode()
