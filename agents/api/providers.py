"""Providers, their keys and their models."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import key_id, person
from accounts.permissions import IsAdmin
from agents import asking, services
from agents.api.shared import asked, failed
from agents.draining import versions_of
from agents.models import Provider
from agents.querysets import ProviderQuerySet
from agents.serializers import (
    ModelFactsSerializer,
    ModelSerializer,
    ProviderSerializer,
    ProviderTestSerializer,
    ProviderWriteSerializer,
    RotateSerializer,
    TestedSerializer,
    VersionSerializer,
)
from llm.errors import LLMError


class ProviderListView(generics.ListCreateAPIView[Provider]):
    serializer_class = ProviderSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return _providers().order_by("name")

    @extend_schema(request=ProviderWriteSerializer, responses={201: ProviderSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        fields = asked(ProviderWriteSerializer(data=request.data))
        made = services.create_provider(**fields)
        return _shown(made, status.HTTP_201_CREATED)


class ProviderView(generics.GenericAPIView[Provider]):
    serializer_class = ProviderSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return _providers()

    def get(self, request: Request, pk: int) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=ProviderWriteSerializer)
    def put(self, request: Request, pk: int) -> Response:
        return self._change(request, partial=False)

    @extend_schema(request=ProviderWriteSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        return self._change(request, partial=True)

    def delete(self, request: Request, pk: int) -> Response:
        """409 while agents answer with it."""
        services.delete_provider(provider=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _change(self, request: Request, *, partial: bool) -> Response:
        provider = self.get_object()
        fields = asked(ProviderWriteSerializer(data=request.data, partial=partial))
        return _shown(services.update_provider(provider=provider, **fields))


class RotateView(generics.GenericAPIView[Provider]):
    """A new key; turns that run keep the old one to their end."""

    serializer_class = RotateSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return _providers()

    @extend_schema(responses=ProviderSerializer)
    def post(self, request: Request, pk: int) -> Response:
        provider = self.get_object()
        fields = asked(self.get_serializer(data=request.data))
        services.set_provider_key(provider=provider, api_key=fields["api_key"])
        return _shown(provider)


class VersionListView(generics.GenericAPIView[Provider]):
    """The versions of a provider's key, newest first, and what still runs on each."""

    serializer_class = VersionSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return _providers()

    @extend_schema(responses=VersionSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        page = self.paginate_queryset(versions_of(self.get_object())) or []
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class RevokeView(generics.GenericAPIView[Provider]):
    """Ends a version at once, and the turns that run on it. Harmless twice."""

    serializer_class = VersionSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return _providers()

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, pk: int, version: int) -> Response:
        versions = self.get_object().credentials
        services.revoke_credential(
            credential=generics.get_object_or_404(versions, version=version)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class TestView(generics.GenericAPIView[Provider]):
    """Asks for one token and says in words what is wrong, within 15 seconds."""

    serializer_class = ProviderTestSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return Provider.objects.with_ciphertext()

    @extend_schema(responses=TestedSerializer)
    def post(self, request: Request, pk: int) -> Response:
        provider = self.get_object()
        fields = asked(self.get_serializer(data=request.data))
        tested = asking.check_provider(
            provider,
            fields.get("model", ""),
            user=person(request),
            api_key_id=key_id(request),
        )
        return Response(TestedSerializer(tested).data)


class DiscoveryView(generics.GenericAPIView[Provider]):
    """Every model of a provider, offered here or not, with what is known of it."""

    serializer_class = ModelFactsSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return Provider.objects.with_ciphertext()

    @extend_schema(responses=ModelFactsSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """502 where the server has to be asked and does not say."""
        provider = self.get_object()
        try:
            found = asking.models_of(provider)
        except LLMError as error:
            return failed(error)
        page = self.paginate_queryset(found) or []
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ModelListView(generics.ListAPIView[Any]):
    """Models this workspace can use: of enabled providers that have their key, without
    those that are switched off."""

    serializer_class = ModelSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        models = [
            {"id": f"{provider.name}/{name}", "provider": provider.name, "name": name}
            for provider in Provider.objects.usable().order_by("name")
            for name in provider.model_names
            if name not in provider.disabled_models
        ]
        page = self.paginate_queryset(models) or []
        return self.get_paginated_response(page)


def _providers() -> ProviderQuerySet:
    return Provider.objects.with_key_age()


def _shown(provider: Provider, code: int = status.HTTP_200_OK) -> Response:
    """Read again, for the age of its key."""
    found = _providers().get(pk=provider.pk)
    return Response(ProviderSerializer(found).data, status=code)
