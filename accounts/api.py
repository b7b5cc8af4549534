"""The API's people, for admins; and its keys, of which everybody manages their own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, mixins, status
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey, User
from accounts.permissions import IsAdmin
from accounts.serializers import (
    ApiKeySerializer,
    NewApiKeySerializer,
    UserSerializer,
    UserWriteSerializer,
)
from accounts.services import create_api_key, create_user, set_password, update_user


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


class UsersView(generics.GenericAPIView[User]):
    """What all views of people share. Nobody is deleted: the ledger names them."""

    serializer_class = UserSerializer
    permission_classes = [IsAdmin]
    queryset = User.objects.order_by("email")

    def write(self, request: Request, user: User | None = None) -> User:
        """A new person, or changes of one. Only owners make and change owners: whoever
        sets a password can be that person."""
        asked = UserWriteSerializer(data=request.data, partial=user is not None)
        asked.is_valid(raise_exception=True)
        fields = dict(asked.validated_data)
        roles = {fields.get("role"), user.role if user else None}
        if User.Role.OWNER in roles and person(request).role != User.Role.OWNER:
            raise PermissionDenied("Only owners of this workspace may do that.")
        with transaction.atomic():
            if user is None:
                active = fields.pop("is_active", True)
                user = create_user(**fields)
                fields = {} if active else {"is_active": False}
            password = fields.pop("password", None)
            if fields:
                update_user(user=user, **fields)
            if password:
                set_password(user=user, password=password)
        return user


class UserListView(mixins.ListModelMixin, UsersView):
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(request=UserWriteSerializer, responses={201: UserSerializer})
    def post(self, request: Request) -> Response:
        made = self.get_serializer(self.write(request)).data
        return Response(made, status=status.HTTP_201_CREATED)


class UserView(UsersView):
    def get(self, request: Request, pk: int) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=UserWriteSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        """400 where nobody would be left who owns the workspace."""
        return Response(
            self.get_serializer(self.write(request, self.get_object())).data
        )


class UserKeyListView(generics.ListAPIView[ApiKey]):
    """Somebody's API keys, newest first."""

    serializer_class = ApiKeySerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[ApiKey]:
        return _keys_of(self)


class UserKeyView(generics.DestroyAPIView[ApiKey]):
    """Revoke somebody's key: it stops working at once."""

    serializer_class = ApiKeySerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[ApiKey]:
        return _keys_of(self)


def _keys_of(view: generics.GenericAPIView[ApiKey]) -> QuerySet[ApiKey]:
    keys: QuerySet[ApiKey] = ApiKey.objects.none()
    if not getattr(view, "swagger_fake_view", False):
        owner = generics.get_object_or_404(User, pk=view.kwargs["user_id"])
        keys = ApiKey.objects.filter(user=owner)
    return keys
