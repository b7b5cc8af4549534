"""From an agent's model id to what llm.client needs: provider, key, address."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings

from agents.crypto import UnreadableCredentialError, decrypt
from agents.models import LOCAL, Provider
from llm.client import Endpoint
from llm.errors import (
    ProviderDisabled,
    ProviderKeyMissing,
    ProviderModelNotFound,
    ProviderUnavailable,
)
from tenants.prepared import Prepared, hole

_PROVIDER_BY_NAME = Prepared(
    lambda: Provider.objects.with_ciphertext().filter(name=hole(0, str))[:1]
)


class Resolved(NamedTuple):
    """A model that can be asked. `credential_id` is the version of the key it is asked
    with, None without a key."""

    endpoint: Endpoint
    model: str
    credential_id: int | None


def resolve_model(model_id: str) -> Resolved:
    """Where `<provider name>/<model>` is reached, with the newest key.

    Raises LLMError subclasses, so that a wrong configuration ends a turn the same
    way as a provider that refuses it.
    """
    name, _, model = model_id.partition("/")
    provider = _PROVIDER_BY_NAME.first(name)
    if provider is None or not model:
        raise ProviderModelNotFound(detail=f"no provider for {model_id}")
    if not provider.enabled or model in provider.disabled_models:
        raise ProviderDisabled(detail=f"{model_id} is switched off")
    endpoint, credential_id = reach(provider)
    return Resolved(endpoint, model, credential_id)


def resolve_for_counting(model_id: str) -> Resolved:
    """As it was asked, though it may have been switched off or removed since; not to be
    asked again, for it has neither key nor address."""
    name, _, model = model_id.partition("/")
    kinds = Provider.objects.filter(name=name).values_list("kind", flat=True)
    endpoint = Endpoint(provider=kinds.first() or "openai_compatible", api_key=None)
    return Resolved(endpoint, model, None)


def reach(provider: Provider) -> tuple[Endpoint, int | None]:
    """The endpoint of a row of ProviderQuerySet.with_ciphertext, and which version of
    its key that holds. Raises as resolve_model does."""
    if provider.kind == LOCAL:
        if not settings.LOCAL_MODEL_URL:
            raise ProviderUnavailable(detail="the local model is not running")
        local = Endpoint(
            provider=LOCAL,
            api_key=settings.LOCAL_MODEL_KEY,
            base_url=settings.LOCAL_MODEL_URL,
        )
        return local, None
    key = _key_of(provider)
    if key is None and provider.needs_key:
        raise ProviderKeyMissing(detail=f"provider {provider.name} has no key")
    credential_id: int | None = provider.credential_id  # type: ignore[attr-defined]  # annotated
    endpoint = Endpoint(
        provider=provider.kind, api_key=key, base_url=provider.base_url or None
    )
    return endpoint, credential_id


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
