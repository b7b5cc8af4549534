"""The API's tree and what is done to many conversations: delete a message, fork,
bulk."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from chat.ids import PATTERN
from chat.models import Conversation, Turn
from chat.serializers import ConversationSerializer, conversation_as_json
from chat.services.bulk import ENDING, Action, change_many, owned_among
from chat.services.forking import fork
from chat.turns.ending import delete_stopping, stop_many_and_wait
from chat.views.api import person

BULK_MAX = 200


class ForkSerializer(serializers.Serializer[Conversation]):
    message_id = serializers.RegexField(rf"^{PATTERN}$")


class BulkSerializer(serializers.Serializer[Conversation]):
    ids = serializers.ListField(
        child=serializers.RegexField(rf"^{PATTERN}$"),
        min_length=1,
        max_length=BULK_MAX,
    )
    action = serializers.ChoiceField(["archive", "restore", "delete", "pin", "unpin"])


class BulkResultSerializer(serializers.Serializer[Conversation]):
    changed = serializers.ListField(child=serializers.CharField())
    skipped = serializers.ListField(child=serializers.CharField())


class MessageView(APIView):
    @extend_schema(request=None, responses={204: None})
    def delete(
        self, request: Request, conversation_id: str, message_id: str
    ) -> Response:
        """Remove a message with all below it. A reply being written among them is
        stopped first; usage stays."""
        user = person(request)
        delete_stopping(
            user=user, conversation_id=conversation_id, message_id=message_id
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class ForkView(generics.GenericAPIView[Conversation]):
    serializer_class = ForkSerializer
    lookup_url_kwarg = "conversation_id"

    def get_queryset(self) -> QuerySet[Conversation]:
        return Conversation.objects.visible_to(person(self.request))

    @extend_schema(responses={201: ConversationSerializer})
    def post(self, request: Request, conversation_id: str) -> Response:
        """Copy the branch that ends in this message into a new conversation of mine."""
        source = self.get_object()
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = fork(
            user=person(request),
            conversation_id=source.pk,
            message_id=asked.validated_data["message_id"],
        )
        return Response(conversation_as_json(made, person(request)), status=201)


class BulkView(generics.GenericAPIView[Conversation]):
    serializer_class = BulkSerializer

    @extend_schema(responses=BulkResultSerializer)
    def post(self, request: Request) -> Response:
        """The same for many of my conversations; `delete` removes them for good. What
        is not mine, not there or cannot be stopped is skipped."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user, action = person(request), asked.validated_data["action"]
        ids = list(dict.fromkeys(asked.validated_data["ids"]))
        changed = stop_and_change(user=user, ids=set(ids), action=action)
        answer = {
            "changed": [pk for pk in ids if pk in changed],
            "skipped": [pk for pk in ids if pk not in changed],
        }
        return Response(answer)


def stop_and_change(*, user: User, ids: set[str], action: Action) -> set[str]:
    """`change_many`, after turns that stand in its way were stopped."""
    stuck = _stop_each(owned_among(user, ids)) if action in ENDING else set()
    return change_many(user=user, ids=ids - stuck, action=action)


def _stop_each(conversation_ids: set[str]) -> set[str]:
    """Stop what runs in these; the ids of those where that failed."""
    running = Turn.objects.running().filter(conversation__in=conversation_ids)
    found = list(running.values_list("conversation_id", flat=True))
    return stop_many_and_wait(found) if found else set()
