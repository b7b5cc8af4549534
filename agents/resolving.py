"""From an agent's model id to what llm.client needs: provider, key, address."""

from __future__ import annotations

from django.conf import settings

from agents.crypto import UnreadableCredentialError, decrypt
from agents.models import LOCAL, Provider
from llm.client import Endpoint
from llm.errors import (
    ProviderKeyMissing,
    ProviderModelNotFound,
    ProviderUnavailable,
)


def resolve_model(model_id: str) -> tuple[Endpoint, str]:
    """The endpoint and the bare model name of `<provider name>/<model>`.

    Raises LLMError subclasses, so that a wrong configuration ends a turn the same
    way as a provider that refuses it.
    """
    name, _, model = model_id.partition("/")
    provider = Provider.objects.enabled().with_ciphertext().filter(name=name).first()
    if provider is None or not model:
        raise ProviderModelNotFound(detail=f"no enabled provider for {model_id}")
    if provider.kind == LOCAL:
        if not settings.LOCAL_MODEL_URL:
            raise ProviderUnavailable(detail="the local model is not running")
        return (
            Endpoint(
                provider=LOCAL,
                api_key=settings.LOCAL_MODEL_KEY,
                base_url=settings.LOCAL_MODEL_URL,
            ),
            model,
        )
    key = _key_of(provider)
    if key is None and provider.needs_key:
        raise ProviderKeyMissing(detail=f"provider {name} has no key")
    return (
        Endpoint(
            provider=provider.kind, api_key=key, base_url=provider.base_url or None
        ),
        model,
    )


def _key_of(provider: Provider) -> str | None:
    ciphertext: str | None = provider.ciphertext  # type: ignore[attr-defined]  # annotated
    if ciphertext is None:
        return None
    try:
        return decrypt(ciphertext)
    except UnreadableCredentialError as error:
        raise ProviderKeyMissing(
            detail=f"the key of {provider.name} cannot be decrypted"
        ) from error
