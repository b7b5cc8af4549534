"""The form of an agent with its newest revision."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import User
from agents import services
from agents.forms.fields import LinesField, ParametersField, ServiceForm
from agents.looks import STARTERS_LIMIT
from agents.models import Agent, Provider
from agents.parameters import CHECKS, Number, OneOf, Whole, bounds_of
from agents.variables import VARIABLES

# Parameters that have a field each, and those that are written as JSON.
SIMPLE = tuple(n for n, c in CHECKS.items() if isinstance(c, Number | Whole | OneOf))
OTHERS = tuple(name for name in CHECKS if name not in SIMPLE)


def parameter_field(name: str, label: StrPromise, help_text: StrPromise) -> forms.Field:
    """Of the bounds in agents.parameters; left empty, the parameter is not set."""
    match CHECKS[name]:
        case Number(low, high):
            return forms.FloatField(
                min_value=low,
                max_value=high,
                required=False,
                widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
                label=label,
                help_text=help_text,
            )
        case Whole(low, high):
            return forms.IntegerField(
                min_value=low,
                max_value=high,
                required=False,
                widget=UnfoldAdminIntegerFieldWidget,
                label=label,
                help_text=help_text,
            )
        case OneOf(words):
            return forms.ChoiceField(
                choices=[
                    ("", _("as the model has it")),
                    *((word, word) for word in words),
                ],
                required=False,
                widget=UnfoldAdminSelectWidget,
                label=label,
                help_text=help_text,
            )
        case _:
            raise AssertionError(f"{name} has no simple field")


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


def _prompt_help() -> str:
    known = "; ".join(f"{{{{{name}}}}}, {what}" for name, what in VARIABLES.items())
    text = gettext(
        "What the model is told before each conversation. Variables: %(known)s."
    )
    return text % {"known": known}


def _others_help() -> str:
    known = "; ".join(f"{name}: {bounds_of(name)}" for name in OTHERS)
    text = gettext('As JSON, for example {"stop": ["END"]}. There are %(known)s.')
    return text % {"known": known}


class AgentForm(ServiceForm[Agent]):
    """The agent with its newest revision; `author` is set by the admin."""

    author: User | None = None

    system_prompt = forms.CharField(
        required=False,
        strip=False,
        max_length=services.PROMPT_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12}),
        label=_("System prompt"),
        help_text=lazy(_prompt_help, str)(),
    )
    model = forms.CharField(
        label=_("Model"),
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
        help_text=format_lazy(
            _(
                "Up to {}, one in each line: asked in this order where the model "
                "cannot answer. The message says which one did."
            ),
            services.FALLBACKS_LIMIT,
        ),
    )
    tools = LinesField(
        label=_("Tools"),
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
        "temperature",
        _("Temperature"),
        _("Near 0: sober and repeatable. Near 2: surprising. 0 to 2."),
    )
    top_p = parameter_field(
        "top_p",
        _("Top p"),
        _(
            "Only the likeliest words that make up this share, 0 to 1. Set this or "
            "the temperature, not both."
        ),
    )
    max_tokens = parameter_field(
        "max_tokens",
        _("Max tokens"),
        _("How long a reply may be; 100 tokens are some 75 English words."),
    )
    reasoning_effort = parameter_field(
        "reasoning_effort",
        _("Reasoning effort"),
        _("How long it thinks before it answers, if it can."),
    )
    verbosity = parameter_field("verbosity", _("Verbosity"), _("How much it says."))
    presence_penalty = parameter_field(
        "presence_penalty",
        _("Presence penalty"),
        _("Above 0: rather new topics. -2 to 2."),
    )
    frequency_penalty = parameter_field(
        "frequency_penalty",
        _("Frequency penalty"),
        _("Above 0: fewer repeated words. -2 to 2."),
    )
    seed = parameter_field(
        "seed",
        _("Seed"),
        _("The same number: the same answer to the same question, nearly always."),
    )
    max_steps = parameter_field(
        "max_steps",
        _("Max steps"),
        _("How often it may call tools for one answer, 1 to 20."),
    )
    parameters = ParametersField(
        label=_("Other parameters"),
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=lazy(_others_help, str)(),
    )
    starters = LinesField(
        label=_("Starter questions"),
        required=False,
        rows=4,
        help_text=format_lazy(
            _("Up to {}, one in each line, offered on a new page."), STARTERS_LIMIT
        ),
    )
    roles = forms.MultipleChoiceField(
        label=_("Roles"),
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
            raise ValidationError(gettext("Give an object of names and values."))
        for name in SIMPLE:
            if name in others:
                text = gettext("%(name)s has a field of its own.")
                raise ValidationError(text % {"name": name})
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
