"""Conversations and messages as the API shows them."""

from __future__ import annotations

from typing import Any

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from chat.errors import NotFoundError
from chat.models import TITLE_LENGTH, Conversation, Message, Turn
from chat.querysets import live_shares
from chat.search.finding import Result


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    """Of conversations read `with_shares`; the context has the `user` who asks."""

    archived = serializers.SerializerMethodField()
    pinned = serializers.SerializerMethodField()
    active_leaf = serializers.CharField(source="active_leaf_id", allow_null=True)
    shared = serializers.SerializerMethodField()
    role = serializers.SerializerMethodField()
    agent_id = serializers.CharField()

    class Meta:
        model = Conversation
        fields = [
            "id",
            "title",
            "agent_id",
            "message_count",
            "total_tokens",
            "last_message_at",
            "last_message_preview",
            "archived",
            "pinned",
            "shared",
            "role",
            "active_leaf",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_archived(self, conversation: Conversation) -> bool:
        return conversation.archived_at is not None

    def get_pinned(self, conversation: Conversation) -> bool:
        return conversation.pinned_at is not None

    def get_shared(self, conversation: Conversation) -> bool:
        """With a person, with everybody here, or by a link."""
        return bool(conversation.live_shares)

    @extend_schema_field(serializers.ChoiceField(["owner", "participant", "viewer"]))
    def get_role(self, conversation: Conversation) -> str:
        """What I am here."""
        return conversation.role_of(self.context["user"])


def conversation_as_json(conversation: Conversation, user: User) -> dict[str, Any]:
    """As `user` sees it, who may."""
    prefetch_related_objects([conversation], live_shares())
    shown = ConversationSerializer(conversation, context={"user": user})
    return dict(shown.data)


class AuthorSerializer(serializers.Serializer[User]):
    id = serializers.IntegerField(source="pk")
    name = serializers.CharField(source="get_full_name")


class MessageSerializer(serializers.ModelSerializer[Message]):
    conversation_id = serializers.CharField()
    author = AuthorSerializer(allow_null=True)
    parent_id = serializers.CharField(allow_null=True)
    sibling_ids = serializers.SerializerMethodField()
    agent_id = serializers.SerializerMethodField()
    agent_revision = serializers.SerializerMethodField()
    finish_reason = serializers.SerializerMethodField()
    cost = serializers.DecimalField(
        max_digits=20, decimal_places=10, allow_null=True, normalize_output=True
    )

    class Meta:
        model = Message
        fields = [
            "id",
            "conversation_id",
            "parent_id",
            "sibling_ids",
            "role",
            "author",
            "text",
            "parts",
            "status",
            "error_code",
            "model",
            "agent_id",
            "agent_revision",
            "finish_reason",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "estimated",
            "cost",
            "created_at",
        ]
        read_only_fields = fields

    def get_sibling_ids(self, message: Message) -> list[str]:
        """All children of one parent, this message among them, oldest first."""
        siblings: dict[str | None, list[str]] = self.context["siblings"]
        return siblings.get(message.parent_id, [message.pk])

    def get_agent_id(self, message: Message) -> str | None:
        return str(message.agent_revision.agent_id) if message.agent_revision else None

    def get_agent_revision(self, message: Message) -> int | None:
        return message.agent_revision.number if message.agent_revision else None

    def get_finish_reason(self, message: Message) -> str | None:
        return message.finish_reason or None


class ConversationDetailSerializer(ConversationSerializer):
    """Documentation of the detail's shape; the view adds the page of messages."""

    messages = serializers.SerializerMethodField()

    class Meta(ConversationSerializer.Meta):
        fields = [*ConversationSerializer.Meta.fields, "messages"]
        read_only_fields = fields

    def get_messages(self, conversation: Conversation) -> dict[str, Any]:
        """A page (count, next, previous, results) of messages, newest first."""
        page: dict[str, Any] = self.context["messages"]
        return page


class ConversationChangeSerializer(serializers.Serializer[Conversation]):
    """PATCH; what is left out stays."""

    title = serializers.CharField(max_length=TITLE_LENGTH, required=False)
    archived = serializers.BooleanField(required=False)
    agent_id = serializers.CharField(max_length=50, required=False)
    pinned = serializers.BooleanField(required=False)
    active_leaf = serializers.CharField(max_length=64, required=False)


class ArchiveSerializer(serializers.Serializer[Conversation]):
    archived = serializers.BooleanField(default=True)


def messages_as_json(messages: list[Message]) -> list[dict[str, Any]]:
    """Messages of one conversation, with the ids of their siblings."""
    siblings = Message.objects.siblings_of(messages)
    shown = MessageSerializer(messages, many=True, context={"siblings": siblings})
    return list(shown.data)


def turn_result(turn_id: str, user_id: int) -> dict[str, Any]:
    """The answer to `stream: false`: the conversation and the reply. Raises
    NotFoundError if this person may not see them any more, or they are gone."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    found = Turn.objects.filter(pk=turn_id).select_related(
        "conversation", "reply__agent_revision", "reply__author"
    )
    turn = found.visible_to(user).first() if user else None
    if user is None or turn is None:
        raise NotFoundError("There is no such conversation.")
    return {
        "conversation": conversation_as_json(turn.conversation, user),
        "message": messages_as_json([turn.reply])[0],
    }


class SearchSerializer(serializers.Serializer[None]):
    """What is searched for."""

    q = serializers.CharField(max_length=200)


class SearchResultSerializer(serializers.Serializer[Result]):
    kind = serializers.ChoiceField(["conversation", "message"])
    conversation_id = serializers.CharField()
    message_id = serializers.CharField(allow_null=True)
    title = serializers.CharField(help_text="Of the conversation, as text.")
    snippet = serializers.CharField(
        help_text="HTML: escaped text, in which <mark> surrounds what was found."
    )
    role = serializers.CharField(allow_null=True)
    author = serializers.CharField(
        allow_null=True, help_text="The name of who wrote a user message, if known."
    )
    archived = serializers.BooleanField()
    created_at = serializers.DateTimeField(
        help_text="Of the message; of a conversation when its last message came."
    )
    rank = serializers.FloatField(help_text="Titles have 1 or more, messages less.")
