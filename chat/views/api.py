"""The API's conversations: list, detail, change, archive, purge, history."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.pagination import Pagination
from agents.models import Agent
from chat.errors import NotFoundError
from chat.models import Conversation, Message
from chat.serializers import (
    ArchiveSerializer,
    ConversationChangeSerializer,
    ConversationDetailSerializer,
    ConversationSerializer,
    messages_as_json,
)
from chat.services.conversations import remove
from chat.turns.ending import stop_turns_and_wait
from chat.uimessages import ui_messages

_BRANCH = OpenApiParameter("branch", str, enum=["active", "all"], default="active")
_PAGE = [
    OpenApiParameter("limit", int, description="1 to 100, 20 if left out."),
    OpenApiParameter("offset", int, description="How many to skip."),
]


def person(request: Request) -> User:
    """The signed-in person; the permission classes let nobody else through."""
    if not isinstance(request.user, User):
        raise NotFoundError("There is no such conversation.")
    return request.user


class ConversationListView(generics.ListAPIView[Conversation]):
    """My conversations, newest last message first."""

    serializer_class = ConversationSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "archived", str, enum=["true", "false", "all"], default="false"
            )
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Conversation]:
        if getattr(self, "swagger_fake_view", False):
            return Conversation.objects.none()
        mine = Conversation.objects.visible_to(person(self.request)).newest_first()
        match one_of(self.request, "archived", ("false", "true", "all")):
            case "true":
                return mine.archived()
            case "false":
                return mine.active()
        return mine


class ConversationView(generics.GenericAPIView[Conversation]):
    serializer_class = ConversationDetailSerializer
    lookup_url_kwarg = "conversation_id"

    def get_queryset(self) -> QuerySet[Conversation]:
        return Conversation.objects.visible_to(person(self.request))

    @extend_schema(parameters=[_BRANCH, *_PAGE])
    def get(self, request: Request, conversation_id: str) -> Response:
        """The conversation and a page of its messages, newest first."""
        conversation = self.get_object()
        messages = _branch(request, conversation).select_related("agent_revision")
        paginator = Pagination()
        page = paginator.paginate_queryset(
            messages.order_by("-created_at", "-pk"), request, view=self
        )
        listed = paginator.get_paginated_response(messages_as_json(page or []))
        shown = self.get_serializer(
            conversation,
            context={**self.get_serializer_context(), "messages": listed.data},
        )
        return Response(shown.data)

    @extend_schema(
        request=ConversationChangeSerializer, responses=ConversationSerializer
    )
    def patch(self, request: Request, conversation_id: str) -> Response:
        """Change title, archived or agent; what is left out stays."""
        conversation = self.get_object()
        asked = ConversationChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changes = asked.validated_data
        if "agent_id" in changes:
            conversation.hand_to(_agent(person(request), changes["agent_id"]))
        if "title" in changes:
            conversation.rename(changes["title"])
        if "archived" in changes:
            _set_archived(conversation, changes["archived"])
        return Response(ConversationSerializer(conversation).data)

    @extend_schema(
        parameters=[OpenApiParameter("purge", OpenApiTypes.BOOL, default=False)],
        responses={204: None},
    )
    def delete(self, request: Request, conversation_id: str) -> Response:
        """Archive; with `purge=true` remove for good, while its usage stays."""
        conversation = self.get_object()
        if one_of(request, "purge", ("false", "true")) == "true":
            stop_turns_and_wait(conversation.pk)
            remove(conversation_id=conversation.pk)
        else:
            _set_archived(conversation, True)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ArchiveView(generics.GenericAPIView[Conversation]):
    """POST archives; `{"archived": false}` restores."""

    serializer_class = ArchiveSerializer
    lookup_url_kwarg = "conversation_id"

    def get_queryset(self) -> QuerySet[Conversation]:
        return Conversation.objects.visible_to(person(self.request))

    @extend_schema(responses=ConversationSerializer)
    def post(self, request: Request, conversation_id: str) -> Response:
        conversation = self.get_object()
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        _set_archived(conversation, asked.validated_data["archived"])
        return Response(ConversationSerializer(conversation).data)


class MessagesView(generics.GenericAPIView[Conversation]):
    """The active branch as the AI SDK's UIMessages, oldest first."""

    lookup_url_kwarg = "conversation_id"

    def get_queryset(self) -> QuerySet[Conversation]:
        return Conversation.objects.visible_to(person(self.request))

    @extend_schema(responses={200: list[dict[str, Any]]})
    def get(self, request: Request, conversation_id: str) -> Response:
        conversation = self.get_object()
        branch = Message.objects.path_to(conversation.active_leaf_id, conversation)
        return Response(ui_messages(branch.select_related("agent_revision")))


def _branch(request: Request, conversation: Conversation) -> QuerySet[Message]:
    if one_of(request, "branch", ("active", "all")) == "all":
        return Message.objects.filter(conversation=conversation)
    return Message.objects.path_to(conversation.active_leaf_id, conversation)


def _set_archived(conversation: Conversation, archived: bool) -> None:
    if not archived:
        conversation.restore()
        return
    stop_turns_and_wait(conversation.pk)
    conversation.archive()
    try:
        conversation.refresh_from_db()  # what the turn left, for the answer
    except Conversation.DoesNotExist as error:
        raise NotFoundError("There is no such conversation.") from error


def _agent(user: User, reference: str) -> Agent:
    found = Agent.objects.visible_to(user).by_reference(reference).first()
    if found is None:
        raise ValidationError({"agent_id": ["There is no such agent."]})
    return found


def one_of(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    """A query parameter with a closed set of values; the first is the default."""
    value = request.query_params.get(name, allowed[0])
    if value not in allowed:
        raise ValidationError({name: [f"Give one of {', '.join(allowed)}."]})
    return value
