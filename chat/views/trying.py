"""POST /api/v1/agents/<id or slug>/try."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import key_id, person
from accounts.permissions import IsAdmin
from agents.api.shared import asked, failed
from agents.models import Agent
from agents.services import FALLBACKS_LIMIT, PROMPT_LENGTH, TOOLS_LIMIT
from chat.services.trying import Tried, try_agent
from llm.errors import LLMError


class TrySerializer(serializers.Serializer[Agent]):
    """What is left out of the draft is as the agent has it. Needs `message`, or the
    `message_id` of a past question, which is asked with what was said before it."""

    message = serializers.CharField(trim_whitespace=False, required=False)
    message_id = serializers.CharField(max_length=64, required=False)
    system_prompt = serializers.CharField(
        max_length=PROMPT_LENGTH,
        allow_blank=True,
        trim_whitespace=False,
        required=False,
    )
    model = serializers.CharField(max_length=201, required=False)
    parameters = serializers.DictField(required=False)
    fallbacks = serializers.ListField(
        child=serializers.CharField(max_length=201),
        max_length=FALLBACKS_LIMIT,
        required=False,
        help_text="Checked with the draft, but not asked.",
    )
    tools = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=TOOLS_LIMIT,
        required=False,
        help_text="Checked with the draft, but not called.",
    )


class TriedSerializer(serializers.Serializer[Tried]):
    model = serializers.CharField()
    text = serializers.CharField()
    reasoning = serializers.CharField()
    prompt_tokens = serializers.IntegerField(source="usage.prompt_tokens")
    completion_tokens = serializers.IntegerField(source="usage.completion_tokens")
    total_tokens = serializers.IntegerField(source="usage.total_tokens")
    estimated = serializers.BooleanField(source="usage.estimated")
    cost = serializers.DecimalField(
        max_digits=20, decimal_places=10, allow_null=True, normalize_output=True
    )
    duration_ms = serializers.IntegerField()


class TryView(generics.GenericAPIView[Any]):
    """Answers once, as a draft of the agent would; no conversation is stored."""

    serializer_class = TrySerializer
    permission_classes = [IsAdmin]

    @extend_schema(responses=TriedSerializer)
    def post(self, request: Request, reference: str) -> Response:
        """502 where the model does not answer."""
        user = person(request)
        visible = Agent.objects.visible_to(user).select_related("revision")
        agent = generics.get_object_or_404(visible.by_reference(reference))
        fields = asked(self.get_serializer(data=request.data))
        try:
            tried = try_agent(
                agent=agent, user=user, api_key_id=key_id(request), **fields
            )
        except LLMError as error:
            return failed(error)
        if tried.failure is not None:
            return failed(tried.failure)
        return Response(TriedSerializer(tried).data)
