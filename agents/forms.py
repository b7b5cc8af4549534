"""Forms of the admin. They save while they are validated, through the services: only
there a refusal can still be shown, and all of a page is one transaction."""

from __future__ import annotations

from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms.fields import InvalidJSONInput
from rest_framework.exceptions import ParseError

from accounts.errors import APIError
from accounts.models import User
from accounts.parsers import load_json
from agents import services
from agents.models import Agent, Provider
from llm.catalogue import provider_names

M = TypeVar("M", bound=Model)


class ServiceForm(forms.ModelForm[M]):
    """`keep` writes the row. Its errors are shown at the fields they name."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                self.instance = self.keep(cleaned)
            except ValidationError as error:
                self.add_error(None, error)
            except APIError as error:
                self.add_error(None, error.detail)
        return cleaned

    def keep(self, cleaned: dict[str, Any]) -> M:
        raise NotImplementedError

    def _post_clean(self) -> None:
        """The service has checked the row; a model form would do it once more."""

    def save(self, commit: bool = True) -> M:
        return self.instance

    def save_m2m(self) -> None:
        """No many-to-many fields here; the admin calls this all the same."""


class LinesField(forms.CharField):
    """A list of texts, one in each line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = (line.strip() for line in (value or "").splitlines())
        return [line for line in lines if line]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class ParametersField(forms.JSONField):
    """As strict as the API: Django's own lets NUL characters through and fails at JSON
    that is nested too deeply or has a number too long."""

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or value in self.empty_values:
            return super().to_python(value)
        try:
            return load_json(value.encode())
        except ParseError as error:
            raise ValidationError(
                self.error_messages["invalid"], code="invalid"
            ) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Shown again as it was typed; Django's would parse it once more."""
        return InvalidJSONInput(data) if isinstance(data, str) else data


class ProviderForm(ServiceForm[Provider]):
    kind = forms.ChoiceField(
        choices=[(name, name) for name in sorted(provider_names())],
        initial="openai",
        help_text="openai_compatible: any server that speaks OpenAI's API.",
    )
    models = LinesField(
        required=False, help_text="Names of models offered here, one in each line."
    )
    api_key = forms.CharField(
        label="New key",
        required=False,
        max_length=services.KEY_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Never shown again. Left empty, the key stays as it is.",
    )
    remove_key = forms.BooleanField(label="Take the key away", required=False)

    class Meta:
        model = Provider
        fields = ["name", "kind", "base_url", "enabled"]
        help_texts = {
            "lane": "How replies of this kind are fetched; the operator may change it "
            "(LLM_LANES). A model that needs more than its lane can do goes by LiteLLM."
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["models"] = self.instance.model_names

    def keep(self, cleaned: dict[str, Any]) -> Provider:
        fields = dict(cleaned)
        if fields.pop("remove_key", False):
            fields["api_key"] = None
        elif not fields["api_key"]:
            del fields["api_key"]
        if self.instance.pk is None:
            return services.create_provider(**fields)
        return services.update_provider(provider=self.instance, **fields)


class AgentForm(ServiceForm[Agent]):
    """The agent with its newest revision; `author` is set by the admin."""

    author: User | None = None

    system_prompt = forms.CharField(
        required=False,
        strip=False,
        max_length=services.PROMPT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 12, "class": "vLargeTextField"}),
    )
    model = forms.CharField(
        max_length=201, help_text="<provider name>/<model>, for example openai/gpt-4o."
    )
    parameters = ParametersField(
        required=False,
        initial=dict,
        help_text='For example {"temperature": 0.3, "max_tokens": 800}.',
    )

    class Meta:
        model = Agent
        fields = ["name", "slug", "description", "published", "is_default"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if revision := self.instance.revision:
            self.initial.update(
                system_prompt=revision.system_prompt,
                model=revision.model,
                parameters=revision.parameters,
            )

    def keep(self, cleaned: dict[str, Any]) -> Agent:
        # Browsers send line breaks as CR LF; a prompt has them as it was written.
        prompt = cleaned["system_prompt"].replace("\r\n", "\n")
        fields = {
            **cleaned,
            "system_prompt": prompt,
            "parameters": cleaned["parameters"] or {},
        }
        if self.instance.pk is None:
            return services.create_agent(**fields, author=self.author)
        return services.update_agent(agent=self.instance, author=self.author, **fields)
