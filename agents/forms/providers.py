"""The form of a provider."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelect2Widget,
    UnfoldBooleanSwitchWidget,
)

from agents import services
from agents.forms.fields import LinesField, ServiceForm
from agents.models import Provider
from llm.catalogue import provider_names


class ProviderForm(ServiceForm[Provider]):
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[(name, name) for name in sorted(provider_names())],
        initial="openai",
        widget=UnfoldAdminSelect2Widget,
        help_text=_(
            "Whose models these are. openai_compatible: any server that speaks "
            "OpenAI's API, at the address below. local: the model of this server."
        ),
    )
    models = LinesField(
        label=_("Models"),
        required=False,
        help_text=_(
            "Names of models that people may choose, one in each line. Once it "
            "is saved, “Models” above shows which there are."
        ),
    )
    disabled_models = LinesField(
        label=_("Models switched off"),
        required=False,
        help_text=_(
            "One in each line. Nobody can use them; agents that would answer "
            "with one say so, or use their fallback."
        ),
    )
    api_key = forms.CharField(
        label=_("New key"),
        required=False,
        max_length=services.KEY_LENGTH,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_(
            "Never shown again. Left empty, the key stays as it is. Answers "
            "that are being written keep the old key to their end."
        ),
    )
    remove_key = forms.BooleanField(
        label=_("Take the key away"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Ends the answers that are being written with it."),
    )

    class Meta:
        model = Provider
        fields = ["name", "kind", "base_url", "enabled"]
        help_texts = {
            "name": _("Your own name for it; its models are then called name/model."),
            "enabled": _("Switched off, nobody can use its models."),
            "lane": _(
                "How replies of this kind are fetched; the operator may change "
                "it (LLM_LANES). A model that needs more than its lane goes by LiteLLM."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["models"] = self.instance.model_names
        self.initial["disabled_models"] = self.instance.disabled_models

    def keep(self, cleaned: dict[str, Any]) -> Provider:
        fields = dict(cleaned)
        if fields.pop("remove_key", False):
            fields["api_key"] = None
        elif not fields["api_key"]:
            del fields["api_key"]
        if self.instance.pk is None:
            return services.create_provider(**fields)
        return services.update_provider(provider=self.instance, **fields)
