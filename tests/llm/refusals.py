"""Error answers of the main providers, with what they mean."""

from typing import Any, NamedTuple

from llm import errors
from llm.errors import LLMError
from tests.llm.conftest import KEY


class Refusal(NamedTuple):
    """An answer; `litellm` tells why LiteLLM's lane has another class, if it has."""

    provider: str
    status: int
    body: Any
    kind: type[LLMError]
    litellm: str = ""


def openai(message: str, kind: str = "", code: str | None = None) -> dict[str, Any]:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return {"error": error}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def google(status: int, name: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": name}}


REFUSALS = [
    Refusal(
        "openai",
        401,
        openai(
            f"Incorrect API key provided: {KEY}.",
            "invalid_request_error",
            "invalid_api_key",
        ),
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "openai",
        403,
        openai("Country, region, or territory not supported", "request_forbidden"),
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "openai",
        404,
        openai(
            "The model `gpt-9` does not exist or you do not have access to it.",
            "invalid_request_error",
            "model_not_found",
        ),
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "openai",
        429,
        openai("Rate limit reached for gpt-4o", "tokens", "rate_limit_exceeded"),
        errors.ProviderRateLimited,
    ),
    Refusal(
        "openai",
        429,
        openai(
            "You exceeded your current quota, please check your plan",
            "insufficient_quota",
            "insufficient_quota",
        ),
        errors.ProviderQuotaExceeded,
    ),
    Refusal(
        "openai",
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, your "
            "messages resulted in 9000 tokens.",
            "invalid_request_error",
            "context_length_exceeded",
        ),
        errors.ProviderContextExceeded,
    ),
    Refusal(
        "openai",
        400,
        openai("Unsupported value: 'temperature'", "invalid_request_error"),
        errors.ProviderBadRequest,
    ),
    Refusal(
        "openai",
        400,
        openai(
            "Your request was rejected by our safety system. content_policy_violation",
            "invalid_request_error",
            "content_policy_violation",
        ),
        errors.ProviderContentFiltered,
    ),
    Refusal(
        "openai",
        500,
        openai("The server had an error", "server_error"),
        errors.ProviderError,
    ),
    Refusal(
        "openai",
        503,
        openai("The engine is currently overloaded", "server_error"),
        errors.ProviderUnavailable,
    ),
    Refusal(
        "azure",
        401,
        {"error": {"code": "401", "message": "Access denied due to invalid key"}},
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "azure",
        404,
        {
            "error": {
                "code": "DeploymentNotFound",
                "message": "The API deployment for this resource does not exist.",
            }
        },
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "azure",
        400,
        {
            "error": {
                "code": "content_filter",
                "message": "The response was filtered due to the prompt triggering "
                "Azure OpenAI's content management policy.",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        errors.ProviderContentFiltered,
    ),
    Refusal(
        "anthropic",
        401,
        anthropic("authentication_error", "invalid x-api-key"),
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "anthropic",
        403,
        anthropic("permission_error", "Your API key cannot use this resource"),
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "anthropic",
        404,
        anthropic("not_found_error", "model: claude-9"),
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
        ),
        errors.ProviderContextExceeded,
    ),
    Refusal(
        "anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
        ),
        errors.ProviderQuotaExceeded,
    ),
    Refusal(
        "anthropic",
        413,
        anthropic("request_too_large", "Request exceeds the maximum size"),
        errors.ProviderBadRequest,
    ),
    Refusal(
        "anthropic",
        429,
        anthropic("rate_limit_error", "Number of request tokens has exceeded"),
        errors.ProviderRateLimited,
    ),
    Refusal(
        "anthropic",
        500,
        anthropic("api_error", "Internal server error"),
        errors.ProviderError,
    ),
    Refusal(
        "anthropic",
        529,
        anthropic("overloaded_error", "Overloaded"),
        errors.ProviderUnavailable,
    ),
    Refusal(
        "gemini",
        400,
        google(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
        ),
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "gemini",
        400,
        google(400, "INVALID_ARGUMENT", "Invalid value at 'contents'"),
        errors.ProviderBadRequest,
    ),
    Refusal(
        "gemini",
        400,
        google(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens "
            "allowed (1048576).",
        ),
        errors.ProviderContextExceeded,
    ),
    Refusal(
        "gemini",
        404,
        google(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta"),
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "gemini",
        429,
        google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"),
        errors.ProviderRateLimited,
    ),
    Refusal(
        "gemini",
        500,
        google(500, "INTERNAL", "An internal error has occurred"),
        errors.ProviderError,
    ),
    Refusal(
        "gemini",
        503,
        google(503, "UNAVAILABLE", "The model is overloaded."),
        errors.ProviderUnavailable,
    ),
    Refusal(
        "groq",
        401,
        openai("Invalid API Key", "invalid_request_error", "invalid_api_key"),
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "groq",
        429,
        openai("Rate limit reached for model", "tokens", "rate_limit_exceeded"),
        errors.ProviderRateLimited,
    ),
    Refusal(
        "groq",
        413,
        openai("Request too large for model", "tokens", "rate_limit_exceeded"),
        errors.ProviderBadRequest,
    ),
    Refusal(
        "mistral",
        401,
        {"message": "Unauthorized", "request_id": "r"},
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "mistral",
        422,
        {"object": "error", "message": {"detail": [{"type": "less_than_equal"}]}},
        errors.ProviderBadRequest,
    ),
    Refusal(
        "mistral",
        400,
        {
            "object": "error",
            "message": "Invalid model: mistral-9",
            "type": "invalid_model",
            "code": "1500",
        },
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "mistral",
        429,
        {"message": "Requests rate limit exceeded"},
        errors.ProviderRateLimited,
    ),
    Refusal(
        "xai",
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key"},
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "xai",
        404,
        {
            "code": "Some requested entity was not found",
            "error": "The model grok-9 does not exist or your team lacks access.",
        },
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "openrouter",
        401,
        {"error": {"message": "No auth credentials found", "code": 401}},
        errors.ProviderUnauthorized,
    ),
    Refusal(
        "openrouter",
        402,
        {"error": {"message": "Insufficient credits", "code": 402}},
        errors.ProviderQuotaExceeded,
    ),
    Refusal(
        "openrouter",
        400,
        {"error": {"message": "x/y is not a valid model ID", "code": 400}},
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "openrouter",
        502,
        {"error": {"message": "Provider returned error", "code": 502}},
        errors.ProviderError,
    ),
    Refusal(
        "deepseek",
        402,
        openai("Insufficient Balance", "unknown_error", "invalid_request_error"),
        errors.ProviderQuotaExceeded,
    ),
    Refusal(
        "ollama_chat",
        404,
        {"error": "model 'llama9' not found"},
        errors.ProviderModelNotFound,
    ),
    Refusal(
        "openai_compatible", 404, b"404 page not found", errors.ProviderModelNotFound
    ),
    Refusal("openai_compatible", 500, b"", errors.ProviderError),
    Refusal(
        "openai_compatible",
        502,
        b"<html><h1>502 Bad Gateway</h1></html>",
        errors.ProviderError,
    ),
    Refusal(
        "openai_compatible",
        400,
        openai("request (5000 tokens) exceeds the available context size (4096)"),
        errors.ProviderContextExceeded,
    ),
    Refusal(
        "openai_compatible",
        307,
        b"",
        errors.ProviderBadRequest,
    ),
]
