"""Which provider is reached by which lane: the table, and the exceptions from it.

A lane is a way to a model. The first three send the request that LiteLLM's provider
config prepares and read the answer themselves; docs/lanes.md tells why each is there.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal, NamedTuple

from llm.errors import gettext_noop

# How LiteLLM itself would send the request: by OpenAI's SDK, by its own HTTP handler,
# or by code made for one provider (see llm._requests).
Way = Literal["sdk", "http", "azure", "anthropic", "gemini"]


class Lane(Enum):
    """A way to a model; the value is its name in settings."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    MIDDLE = "middle"
    LITELLM = "litellm"

    @property
    def label(self) -> str:
        """A few words for people; who shows it translates it."""
        return _LABELS[self]


_LABELS: Final = {
    Lane.OPENAI: gettext_noop("fast (OpenAI's format)"),
    Lane.ANTHROPIC: gettext_noop("fast (Anthropic's format)"),
    Lane.GEMINI: gettext_noop("fast (Gemini's format)"),
    Lane.MIDDLE: gettext_noop("middle (own connection, LiteLLM's parser)"),
    Lane.LITELLM: "LiteLLM",
}


class Route(NamedTuple):
    """The lane of a provider, its way, and its address unless it has to be given."""

    lane: Lane
    way: Way = "sdk"
    address: str | None = None


_BY_LITELLM: Final = Route(Lane.LITELLM)


def _openai(way: Way, addresses: str) -> dict[str, Route]:
    """Routes from lines of a name and, unless it has to be given, an address."""
    rows = (line.split() for line in addresses.split("\n") if line.strip())
    return {
        name: Route(Lane.OPENAI, way, address[0] if address else None)
        for name, *address in rows
    }


# Addresses are LiteLLM's own (1.106.2). They are always given to it: where it gets none
# it takes one from the environment, and a tenant's key would go there.
ROUTES: Final[Mapping[str, Route]] = {
    "anthropic": Route(Lane.ANTHROPIC, "anthropic", "https://api.anthropic.com"),
    "gemini": Route(
        Lane.GEMINI, "gemini", "https://generativelanguage.googleapis.com/v1beta"
    ),
    "azure": Route(Lane.OPENAI, "azure"),
    **_openai(
        "sdk",
        """
        aiml https://api.aimlapi.com/v1
        apertis https://api.stima.tech/v1
        baseten https://inference.baseten.co/v1
        cerebras https://api.cerebras.ai/v1
        chutes https://llm.chutes.ai/v1
        cortecs https://api.cortecs.ai/v1
        dashscope https://dashscope.aliyuncs.com/compatible-mode/v1
        deepinfra https://api.deepinfra.com/v1/openai
        docker_model_runner
        empower https://app.empower.dev/api/v1
        featherless_ai https://api.featherless.ai/v1
        friendliai https://api.friendli.ai/serverless/v1
        galadriel https://api.galadriel.com/v1
        github https://models.inference.ai.azure.com
        helicone https://ai-gateway.helicone.ai
        hyperbolic https://api.hyperbolic.xyz/v1
        inception https://api.inceptionlabs.ai/v1
        lambda_ai https://api.lambda.ai/v1
        lemonade
        libertai https://api.libertai.io/v1
        litellm_proxy
        llamafile
        lm_studio
        local
        meta https://api.meta.ai/v1
        meta_llama https://api.llama.com/compat/v1
        modelscope https://api-inference.modelscope.cn/v1
        moonshot https://api.moonshot.ai/v1
        morph https://api.morphllm.com/v1
        nano-gpt https://nano-gpt.com/api/v1
        nebius https://api.studio.nebius.ai/v1
        novita https://api.novita.ai/v3/openai
        nscale https://inference.api.nscale.com/v1
        nvidia_nim https://integrate.api.nvidia.com/v1
        openai https://api.openai.com/v1
        openai_compatible
        parasail https://api.parasail.io/v1
        perplexity https://api.perplexity.ai
        poe https://api.poe.com/v1
        publicai https://api.publicai.co/v1
        reka https://api.reka.ai/v1
        sambanova https://api.sambanova.ai/v1
        scaleway https://api.scaleway.ai/v1
        synthetic https://api.synthetic.new/openai/v1
        tencent https://tokenhub-intl.tencentcloudmaas.com/v1
        v0 https://api.v0.dev/v1
        volcengine https://ark.cn-beijing.volces.com/api/v3
        wandb https://api.inference.wandb.ai/v1
        xiaomi_mimo https://api.xiaomimimo.com/v1
        xinference
        zai https://api.z.ai/api/paas/v4
        """,
    ),
    **_openai(
        "http",
        """
        codestral https://codestral.mistral.ai/v1
        compactifai https://api.compactif.ai/v1
        deepseek https://api.deepseek.com/beta
        fireworks_ai https://api.fireworks.ai/inference/v1
        gradient_ai https://inference.do-ai.run
        groq https://api.groq.com/openai/v1
        heroku
        hosted_vllm
        minimax https://api.minimax.io/v1
        mistral https://api.mistral.ai/v1
        openrouter https://openrouter.ai/api/v1
        ovhcloud https://oai.endpoints.kepler.ai.cloud.ovh.net/v1
        together_ai https://api.together.ai/v1
        vercel_ai_gateway https://ai-gateway.vercel.sh/v1
        xai https://api.x.ai/v1
        """,
    ),
    "ai21": Route(Lane.MIDDLE, "http", "https://api.ai21.com/studio/v1"),
    "ai21_chat": Route(Lane.MIDDLE, "http", "https://api.ai21.com/studio/v1"),
    "cometapi": Route(Lane.MIDDLE, "http", "https://api.cometapi.com/v1"),
    "edenai": Route(Lane.MIDDLE, "http", "https://api.edenai.run/v3"),
    "ollama_chat": Route(Lane.MIDDLE, "http"),
    # Their addresses and headers depend on the model, or nobody has seen their streams.
    "azure_ai": _BY_LITELLM,
    "cohere": _BY_LITELLM,
    "cohere_chat": _BY_LITELLM,
    "huggingface": _BY_LITELLM,
    "ollama": _BY_LITELLM,
}


def route_of(provider: str) -> Route:
    """The row of the table; a provider without one goes by LiteLLM."""
    return ROUTES.get(provider, _BY_LITELLM)


class Lanes:
    """The table with some providers forced to another lane.

    `forced` maps providers, or "*" for all that it does not name, to lanes or their
    names. Every provider can be forced to "litellm" and, where we prepare its request,
    to "middle"; "auto" is the table. Raises ValueError for anything else.
    """

    def __init__(self, forced: Mapping[str, Lane | str] | None = None) -> None:
        self._forced: dict[str, Lane | None] = {}
        for provider, given in (forced or {}).items():
            self._forced[provider] = lane = None if given == "auto" else Lane(given)
            if provider != "*" and provider not in ROUTES:
                raise ValueError(f"no provider {provider!r}")
            usual = None if provider == "*" else ROUTES[provider].lane
            if lane not in (None, Lane.LITELLM, usual) and (
                lane is not Lane.MIDDLE or usual is Lane.LITELLM
            ):
                raise ValueError(f"{provider!r} cannot take the lane {given!r}")

    def of(self, provider: str) -> Lane:
        """The lane before a look at the model."""
        usual = route_of(provider).lane
        forced = self._forced.get(provider, self._forced.get("*"))
        return usual if forced is None or usual is Lane.LITELLM else forced
