"""Providers: where models are reached, and which of them are offered."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from agents.addresses import check_base_url, check_host
from agents.errors import ProviderInUseError
from agents.models import MODEL_NAME, Agent, Provider
from agents.services.credentials import remove_provider_key, set_provider_key
from agents.services.locking import locked_provider
from llm.catalogue import provider_names

MODELS_LIMIT = 500


class ProviderFields(TypedDict, total=False):
    """`api_key` None takes the key away; left out, it stays."""

    name: str
    kind: str
    base_url: str
    models: list[str]
    disabled_models: list[str]
    enabled: bool
    api_key: str | None


def create_provider(**fields: Unpack[ProviderFields]) -> Provider:
    """Raises django's ValidationError, keyed by the names of ProviderFields."""
    check_host(fields.get("base_url", ""))
    with transaction.atomic():
        return _save_provider(Provider(), fields)


def update_provider(
    *, provider: Provider, **fields: Unpack[ProviderFields]
) -> Provider:
    """What is left out stays. Raises as create_provider does."""
    check_host(fields.get("base_url", ""))
    return _update_provider(provider, fields)


@transaction.atomic
def _update_provider(provider: Provider, fields: ProviderFields) -> Provider:
    current = locked_provider(provider)
    name = fields.get("name", current.name)
    if name != current.name and Agent.objects.using_provider(current).exists():
        message = _("Agents name their model by it, so it cannot change.")
        raise ValidationError({"name": message})
    place = (current.kind, current.base_url)
    moves = place != (fields.get("kind", place[0]), fields.get("base_url", place[1]))
    if moves and "api_key" not in fields and current.credentials.active().exists():
        # Else whoever may not read the key could have it sent to an address of theirs.
        message = _("The key would go to another address: enter it again.")
        raise ValidationError({"api_key": message})
    return _save_provider(current, fields)


@transaction.atomic
def delete_provider(*, provider: Provider) -> None:
    """With its keys. Raises ProviderInUseError while agents answer with it."""
    current = locked_provider(provider)
    users = Agent.objects.using_provider(current)
    if names := list(users.values_list("name", flat=True)[:5]):
        raise ProviderInUseError(names)
    current.delete()


def _save_provider(provider: Provider, fields: ProviderFields) -> Provider:
    provider.name = fields.get("name", provider.name)
    provider.kind = fields.get("kind", provider.kind)
    provider.base_url = fields.get("base_url", provider.base_url)
    provider.model_names = _clean_models(
        "models", fields.get("models", provider.model_names)
    )
    provider.disabled_models = _clean_models(
        "disabled_models", fields.get("disabled_models", provider.disabled_models)
    )
    provider.enabled = fields.get("enabled", provider.enabled)
    if provider.kind not in provider_names():
        raise ValidationError(
            {"kind": _("There is no provider “%(name)s”.") % {"name": provider.kind}}
        )
    provider.full_clean()
    if "kind" in fields or "base_url" in fields:
        check_base_url(provider.kind, provider.base_url)
    try:
        with transaction.atomic():
            provider.save()
    except IntegrityError as error:  # somebody else was faster
        raise ValidationError({"name": _("That name is taken.")}) from error
    if "api_key" in fields:
        key = fields["api_key"]
        if key is None:
            remove_provider_key(provider=provider)
        else:
            set_provider_key(provider=provider, api_key=key)
    return provider


def _clean_models(field: str, models: list[str]) -> list[str]:
    """Without repeats, in the given order."""
    clean = list(dict.fromkeys(name.strip() for name in models))
    if len(clean) > MODELS_LIMIT:
        message = _("Give at most %(limit)d models.") % {"limit": MODELS_LIMIT}
        raise ValidationError({field: message})
    for name in clean:
        try:
            MODEL_NAME(name)
        except ValidationError as error:
            raise ValidationError({field: error.messages}) from error
    return clean
