"""The API's conversations: list, detail, change, archive, purge, history."""

from __future__ import annotations

from typing import Any

from django.db import transaction
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
    conversation_as_json,
    messages_as_json,
)
from chat.services.access import refusal
from chat.services.conversations import remove, rename
from chat.services.tree import select_branch
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
            ),
            OpenApiParameter("pinned", str, enum=["true", "false"]),
            OpenApiParameter(
                "shared",
                str,
                enum=["false", "true"],
                default="false",
                description="true: other people's that are shared with me, instead.",
            ),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "user": self.request.user}

    def get_queryset(self) -> QuerySet[Conversation]:
        if getattr(self, "swagger_fake_view", False):
            return Conversation.objects.none()
        user, rows = person(self.request), Conversation.objects.with_shares()
        shared = one_of(self.request, "shared", ("false", "true")) == "true"
        mine = rows.shared_with(user) if shared else rows.owned_by(user)
        mine = mine.newest_first()
        match one_of(self.request, "archived", ("false", "true", "all")):
            case "true":
                mine = mine.archived()
            case "false":
                mine = mine.active()
        if "pinned" in self.request.query_params:
            pinned = one_of(self.request, "pinned", ("true", "false")) == "true"
            return mine.pinned() if pinned else mine.unpinned()
        return mine


class ConversationView(generics.GenericAPIView[Conversation]):
    serializer_class = ConversationDetailSerializer
    lookup_url_kwarg = "conversation_id"

    def get_queryset(self) -> QuerySet[Conversation]:
        visible = Conversation.objects.visible_to(person(self.request))
        return visible.with_shares()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "user": self.request.user}

    @extend_schema(parameters=[_BRANCH, *_PAGE])
    def get(self, request: Request, conversation_id: str) -> Response:
        """The conversation and a page of its messages, newest first."""
        conversation = self.get_object()
        paginator = Pagination()
        # Ids first: a branch is known only by walking it, and once is enough.
        page = paginator.paginate_queryset(
            _branch(request, conversation),
            request,
            view=self,
        )
        messages = Message.objects.filter(pk__in=page or []).newest_first()
        shown = list(messages.select_related("agent_revision", "author"))
        listed = paginator.get_paginated_response(messages_as_json(shown))
        detail = self.get_serializer(
            conversation,
            context={**self.get_serializer_context(), "messages": listed.data},
        )
        return Response(detail.data)

    @extend_schema(
        request=ConversationChangeSerializer, responses=ConversationSerializer
    )
    def patch(self, request: Request, conversation_id: str) -> Response:
        """Change title, archived, pinned, agent or the branch that is shown, which
        goes on from the message `active_leaf` to its newest leaf; what is left out
        stays."""
        conversation = self.get_object()
        asked = ConversationChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changes = asked.validated_data
        user = person(request)
        if changes.keys() - {"active_leaf"} or conversation.role_of(user) == "viewer":
            must_own(user, conversation)
        _change(user, conversation, changes)
        return Response(conversation_as_json(conversation, user))

    @extend_schema(
        parameters=[OpenApiParameter("purge", OpenApiTypes.BOOL, default=False)],
        responses={204: None},
    )
    def delete(self, request: Request, conversation_id: str) -> Response:
        """Archive; with `purge=true` remove for good, while its usage stays."""
        conversation = self.get_object()
        must_own(person(request), conversation)
        if one_of(request, "purge", ("false", "true")) == "true":
            stop_turns_and_wait(conversation.pk)
            remove(conversation_id=conversation.pk, by=person(request))
        else:
            _change(person(request), conversation, {"archived": True})
        return Response(status=status.HTTP_204_NO_CONTENT)


class ArchiveView(generics.GenericAPIView[Conversation]):
    """POST archives; `{"archived": false}` restores."""

    serializer_class = ArchiveSerializer
    lookup_url_kwarg = "conversation_id"

    def get_queryset(self) -> QuerySet[Conversation]:
        visible = Conversation.objects.visible_to(person(self.request))
        return visible.with_shares()

    @extend_schema(responses=ConversationSerializer)
    def post(self, request: Request, conversation_id: str) -> Response:
        conversation = self.get_object()
        must_own(person(request), conversation)
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        _change(person(request), conversation, asked.validated_data)
        return Response(conversation_as_json(conversation, person(request)))


class MessagesView(generics.GenericAPIView[Conversation]):
    """The active branch as the AI SDK's UIMessages, oldest first."""

    lookup_url_kwarg = "conversation_id"

    def get_queryset(self) -> QuerySet[Conversation]:
        return Conversation.objects.visible_to(person(self.request))

    @extend_schema(responses={200: list[dict[str, Any]]})
    def get(self, request: Request, conversation_id: str) -> Response:
        conversation = self.get_object()
        branch = Message.objects.path_to(conversation.active_leaf_id, conversation)
        return Response(ui_messages(branch.select_related("author")))


def must_own(user: User, conversation: Conversation) -> None:
    """For what only the owner may do; everybody else here sees the conversation."""
    if conversation.owner_id != user.pk:
        raise refusal(user, conversation.pk)


def _branch(
    request: Request, conversation: Conversation
) -> QuerySet[Message, str] | list[str]:
    """The ids of the messages, newest first."""
    if one_of(request, "branch", ("active", "all")) == "all":
        everything = Message.objects.filter(conversation=conversation)
        return everything.newest_first().values_list("pk", flat=True)
    return Message.objects.path_ids(conversation.active_leaf_id, conversation)


def _change(user: User, conversation: Conversation, changes: dict[str, Any]) -> None:
    """All or nothing: what may be refused comes before a turn is stopped, which may
    fail, and that before anything is changed."""
    agent = _agent(user, changes["agent_id"]) if "agent_id" in changes else None
    leaf = changes.get("active_leaf")
    if leaf is not None and not conversation.messages.filter(pk=leaf).exists():
        raise ValidationError(
            {"active_leaf": ["There is no such message in this conversation."]}
        )
    if changes.get("archived"):
        stop_turns_and_wait(conversation.pk)
    with transaction.atomic():
        if leaf is not None:
            select_branch(user=user, conversation_id=conversation.pk, message_id=leaf)
        if agent is not None:
            conversation.hand_to(agent)
        if "title" in changes:
            rename(conversation=conversation, title=changes["title"])
        if "pinned" in changes:
            conversation.pin() if changes["pinned"] else conversation.unpin()
        if "archived" in changes:
            conversation.archive() if changes["archived"] else conversation.restore()
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
