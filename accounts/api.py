"""The API's keys: everybody manages their own."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey, User
from accounts.serializers import ApiKeySerializer, NewApiKeySerializer
from accounts.services import create_api_key


def person(request: Request) -> User:
    """The signed-in person; the permission classes let nobody else through."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def key_id(request: Request) -> int | None:
    """Of the API key that the person shows, None for a session."""
    return request.auth.pk if isinstance(request.auth, ApiKey) else None


def own_keys(view: generics.GenericAPIView[ApiKey]) -> QuerySet[ApiKey]:
    """Nothing while the schema is drawn, when nobody asks."""
    keys: QuerySet[ApiKey] = ApiKey.objects.none()
    if not getattr(view, "swagger_fake_view", False):
        keys = ApiKey.objects.visible_to(person(view.request))
    return keys


class ApiKeyListView(generics.ListCreateAPIView[ApiKey]):
    """My API keys, newest first."""

    serializer_class = ApiKeySerializer

    def get_queryset(self) -> QuerySet[ApiKey]:
        return own_keys(self)

    @extend_schema(responses={201: NewApiKeySerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a key; the answer is the only place where it can be read."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        key, secret = create_api_key(
            user=person(request), name=asked.validated_data.get("name", "")
        )
        shown = NewApiKeySerializer(key, context={"secret": secret})
        return Response(shown.data, status=status.HTTP_201_CREATED)


class ApiKeyView(generics.DestroyAPIView[ApiKey]):
    """Revoke a key: it stops working at once."""

    serializer_class = ApiKeySerializer

    def get_queryset(self) -> QuerySet[ApiKey]:
        return own_keys(self)
