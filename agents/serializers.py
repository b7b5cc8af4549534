"""Shapes of agents, providers and models; what is written is checked by the services.

Ids are text, as everywhere in the API.
"""

from __future__ import annotations

from rest_framework import serializers

from agents.models import Agent, Provider
from agents.services import KEY_LENGTH, MODELS_LIMIT, PROMPT_LENGTH


class AgentSerializer(serializers.ModelSerializer[Agent]):
    id = serializers.CharField()
    system_prompt = serializers.CharField(source="revision.system_prompt")
    model = serializers.CharField(source="revision.model")
    parameters = serializers.DictField(source="revision.parameters")
    tools = serializers.SerializerMethodField()
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
            "tools",
            "is_default",
            "published",
            "revision",
        ]
        read_only_fields = fields

    def get_tools(self, agent: Agent) -> list[str]:
        """Names of tools; agents have none so far."""
        return []


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
    is_default = serializers.BooleanField(required=False)
    published = serializers.BooleanField(required=False)


class ProviderSerializer(serializers.ModelSerializer[Provider]):
    """Of the key only whether there is one, and since when: needs the rows of
    ProviderQuerySet.with_key_age."""

    id = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField(), source="model_names")
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
            "enabled",
            "has_key",
            "key_updated_at",
        ]
        read_only_fields = fields


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
