"""Shapes of agents, providers and models; what is written is checked by the services.

Ids are text, as everywhere in the API.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers

from accounts.models import User
from agents.availability import problem_of
from agents.looks import STARTER_LENGTH, STARTERS_LIMIT, Color
from agents.models import Agent, AgentRevision, Provider
from agents.services import (
    FALLBACKS_LIMIT,
    KEY_LENGTH,
    MODELS_LIMIT,
    PROMPT_LENGTH,
    TOOLS_LIMIT,
)
from llm.lanes import Lanes

PEOPLE_LIMIT = 500
# Who may see an agent, and why it cannot answer, is the admins' business.
_FOR_ADMINS = ("visibility", "roles", "people", "problem")


def _price() -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=20, decimal_places=10, allow_null=True, normalize_output=True
    )


def tools_field() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=TOOLS_LIMIT,
        required=False,
        help_text="datetime, calculator, search_conversations, fetch_page, and "
        "<server>__<tool> of an MCP server.",
    )


class AgentSerializer(serializers.ModelSerializer[Agent]):
    id = serializers.CharField()
    system_prompt = serializers.CharField(source="revision.system_prompt")
    model = serializers.CharField(source="revision.model")
    parameters = serializers.DictField(source="revision.parameters")
    fallbacks = serializers.ListField(
        child=serializers.CharField(), source="revision.fallbacks"
    )
    tools = serializers.ListField(
        child=serializers.CharField(), source="revision.tools"
    )
    starters = serializers.ListField(child=serializers.CharField())
    roles = serializers.ListField(child=serializers.CharField())
    people = serializers.SlugRelatedField[User](
        slug_field="email", many=True, read_only=True
    )
    problem = serializers.SerializerMethodField()
    revision = serializers.IntegerField(source="revision.number")

    class Meta:
        model = Agent
        fields = [
            "id",
            "slug",
            "name",
            "description",
            "system_prompt",
            "model",
            "parameters",
            "fallbacks",
            "tools",
            "color",
            "emoji",
            "starters",
            "position",
            "visibility",
            "roles",
            "people",
            "problem",
            "is_default",
            "published",
            "revision",
        ]
        read_only_fields = fields

    def to_representation(self, instance: Agent) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if not self.context["for_admin"]:
            for name in _FOR_ADMINS:
                del shown[name]
        return shown

    def get_problem(self, agent: Agent) -> str:
        """Why its model cannot be asked, empty if it can."""
        return problem_of(agent.revision, self.context["providers"])


class AgentWriteSerializer(serializers.Serializer[Agent]):
    """POST and PUT need slug, name and model; what PATCH leaves out stays."""

    slug = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=100)
    description = serializers.CharField(
        max_length=1000, allow_blank=True, required=False
    )
    system_prompt = serializers.CharField(
        max_length=PROMPT_LENGTH,
        allow_blank=True,
        trim_whitespace=False,
        required=False,
    )
    model = serializers.CharField(max_length=201)
    parameters = serializers.DictField(required=False)
    fallbacks = serializers.ListField(
        child=serializers.CharField(max_length=201),
        max_length=FALLBACKS_LIMIT,
        required=False,
        help_text="Models asked in this order where `model` cannot answer.",
    )
    tools = tools_field()
    color = serializers.ChoiceField(choices=Color.choices, required=False)
    emoji = serializers.CharField(max_length=16, allow_blank=True, required=False)
    starters = serializers.ListField(
        child=serializers.CharField(max_length=STARTER_LENGTH),
        max_length=STARTERS_LIMIT,
        required=False,
    )
    position = serializers.IntegerField(min_value=0, max_value=9999, required=False)
    visibility = serializers.ChoiceField(
        choices=Agent.Visibility.choices, required=False
    )
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=User.Role.choices), required=False
    )
    people = serializers.ListField(
        child=serializers.CharField(max_length=254),
        max_length=PEOPLE_LIMIT,
        required=False,
        help_text="E-mail addresses of people here.",
    )
    is_default = serializers.BooleanField(required=False)
    published = serializers.BooleanField(required=False)

    def validate_people(self, emails: list[str]) -> list[User]:
        wanted = {email.strip().lower() for email in emails}
        found = list(User.objects.filter(email__in=wanted))
        if missing := wanted - {user.email for user in found}:
            raise serializers.ValidationError(
                f"Nobody here has the address {min(missing)}."
            )
        return found


class RevisionSerializer(serializers.ModelSerializer[AgentRevision]):
    author = serializers.CharField(allow_null=True)
    fallbacks = serializers.ListField(child=serializers.CharField())
    tools = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = AgentRevision
        fields = [
            "number",
            "system_prompt",
            "model",
            "parameters",
            "fallbacks",
            "tools",
            "author",
            "created_at",
        ]
        read_only_fields = fields


class RevisionDiffSerializer(serializers.Serializer[Any]):
    """`prompt` is a unified diff, empty if the prompt stayed; `changed` has the old and
    the new value of all else that changed."""

    old = serializers.IntegerField()
    new = serializers.IntegerField()
    prompt = serializers.CharField()
    changed = serializers.DictField(
        child=serializers.ListField(child=serializers.JSONField())
    )


class ProviderSerializer(serializers.ModelSerializer[Provider]):
    """Of the key only whether there is one, and since when: needs the rows of
    ProviderQuerySet.with_key_age."""

    id = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField(), source="model_names")
    disabled_models = serializers.ListField(child=serializers.CharField())
    lane = serializers.SerializerMethodField(
        help_text="How replies of this kind are fetched."
    )
    has_key = serializers.BooleanField()
    key_updated_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = Provider
        fields = [
            "id",
            "name",
            "kind",
            "base_url",
            "models",
            "disabled_models",
            "enabled",
            "lane",
            "has_key",
            "key_updated_at",
        ]
        read_only_fields = fields

    def get_lane(self, provider: Provider) -> str:
        return Lanes(settings.LLM_LANES).of(provider.kind).value


class ProviderWriteSerializer(serializers.Serializer[Provider]):
    """POST and PUT need name and kind; what is left out stays, the key too."""

    name = serializers.CharField(max_length=50)
    kind = serializers.CharField(
        max_length=50, help_text="A provider LiteLLM knows, openai_compatible or local."
    )
    base_url = serializers.CharField(max_length=500, allow_blank=True, required=False)
    models = serializers.ListField(
        child=serializers.CharField(max_length=150),
        max_length=MODELS_LIMIT,
        required=False,
    )
    disabled_models = serializers.ListField(
        child=serializers.CharField(max_length=150),
        max_length=MODELS_LIMIT,
        required=False,
        help_text="Models nobody may use, agents included.",
    )
    enabled = serializers.BooleanField(required=False)
    api_key = serializers.CharField(
        max_length=KEY_LENGTH,
        allow_null=True,
        required=False,
        write_only=True,
        help_text="Never shown again; null takes the key away.",
    )


class RotateSerializer(serializers.Serializer[Provider]):
    api_key = serializers.CharField(max_length=KEY_LENGTH, write_only=True)


class ModelSerializer(serializers.Serializer[dict[str, str]]):
    """`id` is `<provider>/<name>`, which is what an agent or a turn asks for."""

    id = serializers.CharField()
    provider = serializers.CharField()
    name = serializers.CharField()


class VersionSerializer(serializers.Serializer[Any]):
    """A version of a provider's key; never the key."""

    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    current = serializers.BooleanField(help_text="New turns take this one.")
    running_turns = serializers.IntegerField()


class ProviderTestSerializer(serializers.Serializer[Any]):
    model = serializers.CharField(
        max_length=150, required=False, help_text="Left out: the provider's first."
    )


class TestedSerializer(serializers.Serializer[Any]):
    """`code` is one of docs/errors.md, null where the model answered."""

    ok = serializers.BooleanField()
    code = serializers.SerializerMethodField()
    detail = serializers.CharField()
    latency_ms = serializers.IntegerField()

    def get_code(self, tested: Any) -> str | None:
        return tested.code or None


class ModelFactsSerializer(serializers.Serializer[Any]):
    """What is not known is null. Prices are US dollars for a million tokens."""

    name = serializers.CharField()
    offered = serializers.BooleanField()
    enabled = serializers.BooleanField()
    context_window = serializers.IntegerField(allow_null=True)
    max_output_tokens = serializers.IntegerField(allow_null=True)
    input_per_million = _price()
    output_per_million = _price()
    vision = serializers.BooleanField(allow_null=True)
    tools = serializers.BooleanField(allow_null=True)
    reasoning = serializers.BooleanField(allow_null=True)
