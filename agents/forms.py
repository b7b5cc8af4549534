"""Forms of the admin. They save while they are validated, through the services: only
there a refusal can still be shown, and all of a page is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db.models import Model
from django.forms.fields import InvalidJSONInput
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.errors import APIError
from accounts.models import User
from accounts.parsers import load_json
from agents import services
from agents.looks import STARTERS_LIMIT
from agents.models import Agent, Provider
from agents.parameters import BOUNDS, CHECKS, Number, OneOf, Whole
from agents.variables import VARIABLES
from llm.catalogue import provider_names

M = TypeVar("M", bound=Model)
# Parameters that have a field each, and those that are written as JSON.
SIMPLE = tuple(n for n, c in CHECKS.items() if isinstance(c, Number | Whole | OneOf))
OTHERS = tuple(name for name in CHECKS if name not in SIMPLE)


class ServiceForm(forms.ModelForm[M]):
    """A form with `keep`, which writes the row. Its errors are shown at the fields they
    name."""

    # A model form's metaclass leaves no room for that of an abstract class.
    keep: Callable[[dict[str, Any]], M]

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

    def _post_clean(self) -> None:
        """The service has checked the row; a model form would do it once more."""

    def save(self, commit: bool = True) -> M:
        return self.instance

    def save_m2m(self) -> None:
        """No many-to-many fields here; the admin calls this all the same."""


class LinesField(forms.CharField):
    """A list of texts, one in each line."""

    def __init__(self, *, rows: int = 6, **options: Any) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": rows})
        super().__init__(widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        # The field's own validators would look for it in the list.
        ProhibitNullCharactersValidator()(value or "")
        lines = (line.strip() for line in (value or "").splitlines())
        return [line for line in lines if line]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class PeopleField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # no class to subscript when it runs
    """Shown again with its error, Django's would look for what is no number."""

    def bound_data(self, data: Any, initial: Any) -> Any:
        given = data if isinstance(data, list) else []
        return [one for one in given if one.isascii() and one.isdecimal()]


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


def parameter_field(name: str, help_text: str) -> forms.Field:
    """Of the bounds in agents.parameters; left empty, the parameter is not set."""
    match CHECKS[name]:
        case Number(low, high):
            return forms.FloatField(
                min_value=low,
                max_value=high,
                required=False,
                widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
                help_text=help_text,
            )
        case Whole(low, high):
            return forms.IntegerField(
                min_value=low,
                max_value=high,
                required=False,
                widget=UnfoldAdminIntegerFieldWidget,
                help_text=help_text,
            )
        case OneOf(words):
            return forms.ChoiceField(
                choices=[
                    ("", "as the model has it"),
                    *((word, word) for word in words),
                ],
                required=False,
                widget=UnfoldAdminSelectWidget,
                help_text=help_text,
            )
        case _:
            raise AssertionError(f"{name} has no simple field")


class ProviderForm(ServiceForm[Provider]):
    kind = forms.ChoiceField(
        choices=[(name, name) for name in sorted(provider_names())],
        initial="openai",
        widget=UnfoldAdminSelect2Widget,
        help_text=_(
            "Whose models these are. openai_compatible: any server that speaks "
            "OpenAI's API, at the address below. local: the model of this server."
        ),
    )
    models = LinesField(
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


class ModelInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # untyped
    """A text field that suggests the models offered here."""

    def render(self, name: str, value: Any, *args: Any, **kwargs: Any) -> SafeString:
        options = format_html_join("", '<option value="{}">', offered_models())
        field = super().render(name, value, *args, **kwargs)
        return format_html(
            '{}<datalist id="offered-models">{}</datalist>', field, options
        )


def offered_models() -> list[tuple[str]]:
    return [
        (f"{provider.name}/{model}",)
        for provider in Provider.objects.usable().order_by("name")
        for model in provider.model_names
        if model not in provider.disabled_models
    ]


class AgentForm(ServiceForm[Agent]):
    """The agent with its newest revision; `author` is set by the admin."""

    author: User | None = None

    system_prompt = forms.CharField(
        required=False,
        strip=False,
        max_length=services.PROMPT_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12}),
        help_text="What the model is told before each conversation. Variables: "
        + "; ".join(f"{{{{{name}}}}}, {what}" for name, what in VARIABLES.items())
        + ".",
    )
    model = forms.CharField(
        max_length=201,
        widget=ModelInput(attrs={"list": "offered-models", "autocomplete": "off"}),
        help_text=_(
            "The provider's name, a slash, the model's: openai/gpt-4o. The list "
            "shows what your providers offer."
        ),
    )
    fallbacks = LinesField(
        label=_("Fallback models"),
        required=False,
        rows=3,
        help_text=f"Up to {services.FALLBACKS_LIMIT}, one in each line: asked in this "
        "order where the model cannot answer. The message says which one did.",
    )
    tools = LinesField(
        required=False,
        rows=4,
        help_text=_(
            "What it may call, one in each line: datetime, calculator, "
            "search_conversations (of the person it talks with), fetch_page (reads "
            "public web pages), and server__tool of an MCP server; “Check” there lists "
            "them."
        ),
    )
    temperature = parameter_field(
        "temperature", "Near 0: sober and repeatable. Near 2: surprising. 0 to 2."
    )
    top_p = parameter_field(
        "top_p",
        "Only the likeliest words that make up this share, 0 to 1. Set this or the "
        "temperature, not both.",
    )
    max_tokens = parameter_field(
        "max_tokens", "How long a reply may be; 100 tokens are some 75 English words."
    )
    reasoning_effort = parameter_field(
        "reasoning_effort", "How long it thinks before it answers, if it can."
    )
    verbosity = parameter_field("verbosity", "How much it says.")
    presence_penalty = parameter_field(
        "presence_penalty", "Above 0: rather new topics. -2 to 2."
    )
    frequency_penalty = parameter_field(
        "frequency_penalty", "Above 0: fewer repeated words. -2 to 2."
    )
    seed = parameter_field(
        "seed", "The same number: the same answer to the same question, nearly always."
    )
    max_steps = parameter_field(
        "max_steps", "How often it may call tools for one answer, 1 to 20."
    )
    parameters = ParametersField(
        label=_("Other parameters"),
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text='As JSON, for example {"stop": ["END"]}. There are '
        + "; ".join(f"{name}: {BOUNDS[name]}" for name in OTHERS)
        + ".",
    )
    starters = LinesField(
        label=_("Starter questions"),
        required=False,
        rows=4,
        help_text=f"Up to {STARTERS_LIMIT}, one in each line, offered on a new page.",
    )
    roles = forms.MultipleChoiceField(
        choices=User.Role.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("Who sees it, if its visibility is by roles."),
    )

    class Meta:
        model = Agent
        fields = [
            *("name", "slug", "description", "color", "emoji", "starters"),
            *("published", "is_default", "position", "visibility", "roles", "people"),
        ]
        help_texts = {
            "slug": _("Its name in addresses and for programs, such as “tutor”."),
            "description": _("Shown where people choose an agent."),
            "people": _("Who sees it, if its visibility is by people."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if revision := self.instance.revision:
            parameters = revision.parameters
            others = {name: parameters[name] for name in OTHERS if name in parameters}
            self.initial.update(revision.content | parameters)
            self.initial["parameters"] = others

    def clean_parameters(self) -> dict[str, Any]:
        others = self.cleaned_data["parameters"] or {}
        if not isinstance(others, dict):
            raise ValidationError("Give an object of names and values.")
        for name in SIMPLE:
            if name in others:
                raise ValidationError(f"{name} has a field of its own.")
        return others

    def keep(self, cleaned: dict[str, Any]) -> Agent:
        # Browsers send line breaks as CR LF; a prompt has them as it was written.
        prompt = cleaned["system_prompt"].replace("\r\n", "\n")
        fields = {k: v for k, v in cleaned.items() if k not in SIMPLE}
        simple = {name: cleaned[name] for name in SIMPLE}
        chosen = {name: v for name, v in simple.items() if v not in (None, "")}
        fields["parameters"] = {**cleaned["parameters"], **chosen}
        fields["system_prompt"] = prompt
        if self.instance.pk is None:
            return services.create_agent(**fields, author=self.author)
        return services.update_agent(agent=self.instance, author=self.author, **fields)
