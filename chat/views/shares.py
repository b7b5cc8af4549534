"""The API's shares: who else may see a conversation."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.models import Conversation, Share
from chat.services.sharing import leave, revoke, share
from chat.views.api import must_own, person


class NewShareSerializer(serializers.Serializer[Share]):
    role = serializers.ChoiceField(Share.Role.choices, default=Share.Role.VIEWER)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """`with` is a word of Python's own."""
        whom = serializers.CharField(
            max_length=254, help_text="`tenant`, `link` or a person's e-mail address."
        )
        return {"with": whom, **super().get_fields()}


class ShareSerializer(serializers.Serializer[Share]):
    id = serializers.CharField()
    name = serializers.CharField(
        source="person.get_full_name", default=None, help_text="Of a person."
    )
    role = serializers.ChoiceField(Share.Role.choices)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        whom = serializers.CharField(source="whom")
        return {**super().get_fields(), "with": whom}


class MadeShareSerializer(ShareSerializer):
    """`url` is there for a new link, and nowhere else ever again."""

    url = serializers.SerializerMethodField(required=False)

    def get_url(self, made: Share) -> str:
        url: str = self.context["url"]
        return url

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if self.context.get("url", "") is None:
            del fields["url"]
        return fields


class SharesView(generics.GenericAPIView[Share]):
    serializer_class = ShareSerializer

    def get_queryset(self) -> QuerySet[Share]:
        if getattr(self, "swagger_fake_view", False):
            return Share.objects.none()
        user = person(self.request)
        visible = Conversation.objects.visible_to(user)
        found = generics.get_object_or_404(visible, pk=self.kwargs["conversation_id"])
        must_own(user, found)
        return found.shares.standing().select_related("person")

    @extend_schema(
        operation_id="chat_shares_list", responses=ShareSerializer(many=True)
    )
    def get(self, request: Request, conversation_id: str) -> Response:
        """With whom my conversation is shared, expired ones too until they are revoked.
        For its owner alone."""
        page = self.paginate_queryset(self.get_queryset())
        shown = self.get_serializer(page, many=True)
        return self.get_paginated_response(shown.data)

    @extend_schema(
        request=NewShareSerializer,
        responses={200: ShareSerializer, 201: MadeShareSerializer},
    )
    def post(self, request: Request, conversation_id: str) -> Response:
        """Share my conversation. With whom it is shared already gets the new role and
        expiry (200). A link shows the branch as it is now, to be read."""
        self.get_queryset()  # before it is told what is wrong with the body
        asked = NewShareSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = share(
            user=person(request),
            conversation_id=conversation_id,
            whom=asked.validated_data["with"],
            role=asked.validated_data["role"],
            expires_at=asked.validated_data.get("expires_at"),
        )
        url = address_of(request, made.token) if made.token else None
        shown = MadeShareSerializer(made.share, context={"url": url})
        return Response(shown.data, status=201 if made.is_new else 200)


class ShareView(APIView):
    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, conversation_id: str, share_id: str) -> Response:
        """End a share of my conversation, or my own share of somebody else's; at once,
        also for what is open."""
        revoke(user=person(request), conversation_id=conversation_id, share_id=share_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class LeaveView(APIView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, conversation_id: str) -> Response:
        """Leave a conversation that was shared with me in person."""
        leave(user=person(request), conversation_id=conversation_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def address_of(request: HttpRequest | Request, token: str) -> str:
    path = reverse("chat:shared", args=[token])
    address: str = request.build_absolute_uri(path)
    return address
