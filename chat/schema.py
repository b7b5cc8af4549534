"""How the async addresses appear in the API's documentation.

DRF's generator reads view classes; these describe what chat.views.stream does and are
never called.
"""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from chat.serializers import ConversationSerializer, MessageSerializer
from chat.views.api import ConversationListView


class _ApprovalSerializer(serializers.Serializer[None]):
    id = serializers.CharField(help_text="As in the part `tool-approval-request`.")
    approved = serializers.BooleanField()


class _PartSerializer(serializers.Serializer[None]):
    type = serializers.CharField(
        help_text="`text`; `tool-<name>` where a call of a tool is answered."
    )
    text = serializers.CharField(required=False)
    state = serializers.CharField(required=False, help_text="`approval-responded`.")
    approval = _ApprovalSerializer(required=False)


class _UIMessageSerializer(serializers.Serializer[None]):
    id = serializers.RegexField(r"^[A-Za-z0-9_-]{8,64}$", required=False)
    role = serializers.ChoiceField(["user", "assistant"])
    parts = _PartSerializer(many=True)


class TurnRequestSerializer(serializers.Serializer[None]):
    """Plain (`message`, `conversationId`) or the AI SDK's (`id`, `messages`,
    `trigger`, `messageId`). Unknown keys are ignored. To continue a reply either form
    needs only the conversation's id, `trigger` and `messageId`. Calls of tools that
    wait for a person are answered all at once, by `conversationId` and `approvals`, or
    by the AI SDK's own answer: `messages` that end with the assistant's message."""

    message = serializers.CharField(required=False)
    conversationId = serializers.CharField(required=False)
    id = serializers.CharField(required=False)
    messages = _UIMessageSerializer(many=True, required=False)
    trigger = serializers.ChoiceField(
        ["submit-message", "regenerate-message", "continue-message"], required=False
    )
    messageId = serializers.CharField(required=False)
    agentId = serializers.CharField(required=False)
    model = serializers.CharField(required=False)
    parentId = serializers.CharField(required=False)
    stream = serializers.BooleanField(required=False)
    approvals = _ApprovalSerializer(many=True, required=False)


class TurnResultSerializer(serializers.Serializer[None]):
    conversation = ConversationSerializer()
    message = MessageSerializer()


_STREAM = OpenApiResponse(OpenApiTypes.STR, description="UI message stream (SSE).")
_RENDER = OpenApiParameter("render", str, enum=["html"], required=False)


class ConversationCollection(ConversationListView):
    @extend_schema(
        request=TurnRequestSerializer,
        parameters=[_RENDER],
        responses={
            (200, "text/event-stream"): _STREAM,
            (200, "application/json"): TurnResultSerializer,
        },
    )
    def post(self, request: Request) -> None:
        """Start a turn and answer with its stream, or with `stream: false` with one
        JSON at its end."""


class ConversationStream(APIView):
    @extend_schema(
        parameters=[_RENDER],
        responses={
            (200, "text/event-stream"): _STREAM,
            204: OpenApiResponse(description="Nothing runs here."),
        },
    )
    def get(self, request: Request, conversation_id: str) -> None:
        """Follow the running turn, from its beginning."""


class ConversationStop(APIView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, conversation_id: str) -> None:
        """Stop the running turn; harmless when none runs."""
