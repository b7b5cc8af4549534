"""The request that LiteLLM would send, prepared by its provider configs alone.

Here and nowhere else are the calls of litellm that `llm.plan` needs, in the order in
which `acompletion` makes them (litellm 1.106.2: main.py, utils.py, and the handlers of
its `llms` package). LiteLLM's loose types end in this module.
"""

import copy
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm import _litellm
from llm.lanes import Way

Headers = dict[str, str]
_QUESTION: Final = [{"role": "user", "content": "Hi"}]


class UnplannableError(Exception):
    """The provider's request cannot be prepared here; `acompletion` must do it."""


class Recipe:
    """Everything of a request that does not depend on the messages.

    Holds the key, so its repr says nothing. Raises `UnplannableError`, or whatever
    LiteLLM raises for a model or parameters it cannot handle.
    """

    def __init__(
        self,
        way: Way,
        name: str,
        *,
        key: str,
        base: str,
        parameters: Mapping[str, Any],
    ) -> None:
        litellm = _litellm.load()
        utils: Any = importlib.import_module("litellm.utils")
        self._way = way
        self._utils = utils
        model, provider, found_key, found_base = litellm.get_llm_provider(
            model=name, api_base=base, api_key=key
        )
        if provider != name.partition("/")[0] or (found_key or key) != key:
            raise UnplannableError(f"taken for {provider!r}")
        self.provider: str = provider
        self.model: str = model
        self._key = key
        self._base: str = found_base or base
        self._config = _config(litellm, utils, provider, model)
        effort = parameters.get("reasoning_effort")
        tools = parameters.get("tools")
        if _speaks_responses(model, provider, effort, self._base, tools):
            raise UnplannableError("a model of the Responses API")
        if way == "azure" and "/openai" in self._base:
            raise UnplannableError("an Azure address of another kind")
        if self._config.should_fake_stream(
            model=model, custom_llm_provider=provider, stream=True
        ):
            raise UnplannableError("a model that cannot stream")
        self._options: dict[str, Any] = utils.get_optional_params(
            model=model,
            custom_llm_provider=provider,
            messages=copy.deepcopy(_QUESTION),
            stream=True,
            stream_options={"include_usage": True},
            drop_params=True,
            **parameters,
        )
        self._options.pop("max_retries", None)
        if self._options.get("functions_unsupported_model"):
            raise UnplannableError("tools that LiteLLM has to put into words")
        if self._options.get("json_mode") or self._options.get("fake_stream"):
            raise UnplannableError("an answer that LiteLLM has to rewrite")
        module: Any = importlib.import_module(
            "litellm.litellm_core_utils.get_litellm_params"
        )
        self._context: dict[str, Any] = module.get_litellm_params(
            acompletion=True,
            api_key=key,
            api_base=self._base,
            custom_llm_provider=provider,
            drop_params=True,
        )

    def __repr__(self) -> str:
        return f"<Recipe {self.provider}/{self.model}>"

    def iterator(self) -> Any:
        """LiteLLM's reader of one stream; its `chunk_parser` takes JSON objects."""
        arguments: dict[str, Any] = {"streaming_response": None, "sync_stream": False}
        match self._way:
            case "anthropic":
                name = "litellm.llms.anthropic.chat.handler"
            case "gemini":
                name = "litellm.llms.vertex_ai.gemini"
                name += ".vertex_and_google_ai_studio_gemini"
                arguments["logging_obj"] = _Silent()
            case _:
                own = self._config.get_model_response_iterator(**arguments)
                if own is not None:
                    return own
                name = "litellm.llms.openai.chat.gpt_transformation"
                handlers: Any = importlib.import_module(name)
                return handlers.OpenAIChatCompletionStreamingHandler(**arguments)
        module: Any = importlib.import_module(name)
        return module.ModelResponseIterator(**arguments)

    async def fill(
        self, messages: Sequence[Mapping[str, Any]]
    ) -> tuple[str, Headers, dict[str, Any] | bytes]:
        """(address, headers, body) of a call; a signed body comes as bytes."""
        cleaned = self._config.translate_developer_role_to_system_role(
            messages=self._utils.validate_and_fix_openai_messages(
                messages=[dict(message) for message in messages]
            )
        )
        options = copy.deepcopy(self._options)
        extra = options.pop("extra_body", None)
        options.pop("json_mode", None)
        match self._way:
            case "anthropic":
                return await self._anthropic(cleaned, options)
            case "gemini":
                return await self._gemini(cleaned, options)
            case "azure":
                return self._azure(cleaned, options, extra)
            case "sdk":
                return self._sdk(cleaned, options, extra)
            case "http":
                return await self._http(cleaned, options, extra)

    def _sdk(
        self, messages: Any, options: dict[str, Any], extra: Any
    ) -> tuple[str, Headers, dict[str, Any]]:
        """As OpenAI's SDK sends it (litellm/llms/openai/openai.py)."""
        headers = {"Authorization": f"Bearer {self._key}", **self._attribution()}
        body = self._transform(messages, options, headers)
        body["stream"] = True
        url = f"{self._base.rstrip('/')}/chat/completions"
        return url, headers, body | (extra or {})

    def _azure(
        self, messages: Any, options: dict[str, Any], extra: Any
    ) -> tuple[str, Headers, dict[str, Any]]:
        """As OpenAI's SDK for Azure sends it, by key (litellm/llms/azure/azure.py)."""
        headers = {"api-key": self._key}
        body = self._transform(messages, options, headers)
        body["stream"] = True
        url = (
            f"{self._base.rstrip('/')}/openai/deployments/{self.model}"
            f"/chat/completions?api-version={_litellm.load().AZURE_DEFAULT_API_VERSION}"
        )
        return url, headers, body | (extra or {})

    async def _http(
        self, messages: Any, options: dict[str, Any], extra: Any
    ) -> tuple[str, Headers, dict[str, Any] | bytes]:
        """As litellm/llms/custom_httpx/llm_http_handler.py sends it."""
        config = self._config
        headers = self._environment(messages, options, self._attribution())
        url = config.get_complete_url(
            api_base=self._base,
            api_key=self._key,
            model=self.model,
            optional_params=options,
            stream=True,
            litellm_params=dict(self._context),
        )
        if config.uses_async_transform_request:
            body = await self._transform_async(messages, options, headers)
        else:
            body = self._transform(messages, options, headers)
        if extra is not None:
            body = body | config.transform_extra_body(
                extra_body=extra,
                request=body,
                model=self.model,
                litellm_params=dict(self._context),
            )
        headers, signed = config.sign_request(
            headers=headers,
            optional_params=options,
            request_data=body,
            api_base=url,
            api_key=self._key,
            stream=True,
            fake_stream=False,
            model=self.model,
        )
        if config.supports_stream_param_in_request_body:
            body["stream"] = True
        return url, headers, signed or body

    async def _anthropic(
        self, messages: Any, options: dict[str, Any]
    ) -> tuple[str, Headers, dict[str, Any]]:
        """As litellm/llms/anthropic/chat/handler.py sends it."""
        options.pop("stream", None)
        options["is_vertex_request"] = False
        headers = self._environment(messages, options, {})
        body = await self._transform_async(messages, options, headers)
        betas: Any = importlib.import_module("litellm.anthropic_beta_headers_manager")
        headers, body = betas.update_request_with_filtered_beta(
            headers=headers, request_data=body, provider=self.provider
        )
        body["stream"] = True
        base = self._base
        return (
            base if base.endswith("/v1/messages") else f"{base}/v1/messages",
            (headers),
            body,
        )

    async def _gemini(
        self, messages: Any, options: dict[str, Any]
    ) -> tuple[str, Headers, dict[str, Any]]:
        """As litellm/llms/vertex_ai/gemini sends it to AI Studio."""
        gemini: Any = importlib.import_module(
            "litellm.llms.vertex_ai.gemini.transformation"
        )
        base: Any = importlib.import_module("litellm.llms.vertex_ai.vertex_llm_base")
        options.pop("stream", None)
        auth, url = base.VertexBase()._get_token_and_url(
            model=self.model,
            auth_header=None,
            gemini_api_key=self._key,
            vertex_project=None,
            vertex_location=None,
            vertex_credentials=None,
            stream=True,
            custom_llm_provider="gemini",
            api_base=self._base,
        )
        config: Any = importlib.import_module(
            "litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini"
        ).VertexGeminiConfig()
        headers = config.validate_environment(
            api_key=auth,
            headers={},
            model=self.model,
            messages=messages,
            optional_params=options,
            litellm_params=dict(self._context),
        )
        body = await gemini.async_transform_request_body(
            gemini_api_key=self._key,
            messages=messages,
            api_base=self._base,
            model=self.model,
            client=None,
            timeout=None,
            extra_headers=None,
            optional_params=options,
            logging_obj=_Silent(),
            custom_llm_provider="gemini",
            litellm_params=dict(self._context),
            vertex_project=None,
            vertex_location=None,
            vertex_auth_header=None,
        )
        return url, headers, dict(body)

    def _attribution(self) -> Headers:
        return dict(self._config.get_attribution_headers() or {})

    def _environment(
        self, messages: Any, options: dict[str, Any], headers: Headers
    ) -> Headers:
        made: Headers = self._config.validate_environment(
            headers=headers,
            model=self.model,
            messages=messages,
            optional_params=options,
            litellm_params=dict(self._context),
            api_key=self._key,
            api_base=self._base,
        )
        return made

    def _transform(
        self, messages: Any, options: dict[str, Any], headers: Headers
    ) -> dict[str, Any]:
        body: dict[str, Any] = self._config.transform_request(
            model=self.model,
            messages=messages,
            optional_params=options,
            litellm_params=dict(self._context),
            headers=headers,
        )
        return body

    async def _transform_async(
        self, messages: Any, options: dict[str, Any], headers: Headers
    ) -> dict[str, Any]:
        body: dict[str, Any] = await self._config.async_transform_request(
            model=self.model,
            messages=messages,
            optional_params=options,
            litellm_params=dict(self._context),
            headers=headers,
        )
        return body


class _Silent:
    """Stands where LiteLLM expects its logger."""

    optional_params: Final[Mapping[str, Any]] = {}
    litellm_params: Final[Mapping[str, Any]] = {}
    model_call_details: Final[Mapping[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _config(litellm: Any, utils: Any, provider: str, model: str) -> Any:
    try:
        kind = litellm.LlmProviders(provider)
    except ValueError:
        return litellm.OpenAIGPTConfig()  # known to LiteLLM by its JSON list only
    config = utils.ProviderConfigManager.get_provider_chat_config(
        model=model, provider=kind
    )
    return config or litellm.OpenAIGPTConfig()


def _speaks_responses(
    model: str, provider: str, effort: Any, base: str, tools: Any
) -> bool:
    main: Any = importlib.import_module("litellm.main")
    info, _ = main.responses_api_bridge_check(
        model=model,
        custom_llm_provider=provider,
        reasoning_effort=effort,
        api_base=base,
        tools=tools,
    )
    return bool(info.get("mode") == "responses")
