"""What admins choose for all conversations, and the log of sharing."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import IsAdmin
from agents.models import Provider
from chat.models import ChatSettings, ShareEvent
from chat.services.indexing import languages, set_language


class ChatSettingsSerializer(serializers.ModelSerializer[ChatSettings]):
    class Meta:
        model = ChatSettings
        fields = [
            *("search_language", "title_model", "purge_archived_after_days"),
            "link_shares",
        ]

    def validate_search_language(self, language: str) -> str:
        if language not in (known := languages()):
            raise serializers.ValidationError(f"Give one of {', '.join(known)}.")
        return language

    def validate_title_model(self, model: str) -> str:
        if model and not Provider.objects.offers(model):
            message = "No enabled provider here offers that model."
            raise serializers.ValidationError(message)
        return model


class ChatSettingsView(generics.GenericAPIView[ChatSettings]):
    """Search, titles, retention and links of the whole workspace."""

    serializer_class = ChatSettingsSerializer
    permission_classes = [IsAdmin]

    def get(self, request: Request) -> Response:
        return Response(self.get_serializer(ChatSettings.current()).data)

    def patch(self, request: Request) -> Response:
        """Another language of search is written in the background."""
        current = ChatSettings.current()
        asked = self.get_serializer(current, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        changes: dict[str, Any] = dict(asked.validated_data)
        language = changes.pop("search_language", current.search_language)
        with transaction.atomic():
            # Only what was asked for: the housekeeper may be moving reindex_from on.
            for name, value in changes.items():
                setattr(current, name, value)
            current.save(update_fields=list(changes))
            if language != current.search_language:
                set_language(language)
        return self.get(request)


class ShareEventSerializer(serializers.ModelSerializer[ShareEvent]):
    id = serializers.CharField()

    class Meta:
        model = ShareEvent
        fields = [
            *("id", "action", "actor", "whom", "role", "conversation_id", "share_id"),
            *("expires_at", "created_at"),
        ]
        read_only_fields = fields


class ShareEventListView(generics.ListAPIView[ShareEvent]):
    """Who shared what with whom, newest first; only ever added to."""

    serializer_class = ShareEventSerializer
    permission_classes = [IsAdmin]
    queryset = ShareEvent.objects.order_by("-pk")

    @extend_schema(operation_id="share_events_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)
