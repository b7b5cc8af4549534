"""The API's agents, providers and models."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import person
from accounts.permissions import IsAdmin, IsAdminOrReadOnly
from agents import services
from agents.models import Agent, Provider
from agents.querysets import AgentQuerySet, ProviderQuerySet
from agents.serializers import (
    AgentSerializer,
    AgentWriteSerializer,
    ModelSerializer,
    ProviderSerializer,
    ProviderWriteSerializer,
    RotateSerializer,
)


class AgentListView(generics.ListCreateAPIView[Agent]):
    """Agents, the default first: published ones, for admins all."""

    serializer_class = AgentSerializer
    permission_classes = [IsAdminOrReadOnly]

    def get_queryset(self) -> QuerySet[Agent]:
        return _agents(self).in_order()

    @extend_schema(request=AgentWriteSerializer, responses={201: AgentSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        fields = _asked(AgentWriteSerializer(data=request.data))
        agent = services.create_agent(**fields, author=person(request))
        shown = self.get_serializer(agent).data
        return Response(shown, status=status.HTTP_201_CREATED)


class AgentView(generics.GenericAPIView[Agent]):
    """One agent, by id or slug."""

    serializer_class = AgentSerializer
    permission_classes = [IsAdminOrReadOnly]

    def get_object(self) -> Agent:
        found = _agents(self).by_reference(self.kwargs["reference"])
        return generics.get_object_or_404(found)

    def get(self, request: Request, reference: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=AgentWriteSerializer)
    def put(self, request: Request, reference: str) -> Response:
        return self._change(request, partial=False)

    @extend_schema(request=AgentWriteSerializer)
    def patch(self, request: Request, reference: str) -> Response:
        """A new revision if the way it answers changes."""
        return self._change(request, partial=True)

    def delete(self, request: Request, reference: str) -> Response:
        """409 for the default agent, and once a conversation is held with it."""
        services.delete_agent(agent=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _change(self, request: Request, *, partial: bool) -> Response:
        agent = self.get_object()
        fields = _asked(AgentWriteSerializer(data=request.data, partial=partial))
        agent = services.update_agent(agent=agent, author=person(request), **fields)
        return Response(self.get_serializer(agent).data)


class ProviderListView(generics.ListCreateAPIView[Provider]):
    serializer_class = ProviderSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Provider]:
        return _providers().order_by("name")

    @extend_schema(request=ProviderWriteSerializer, responses={201: ProviderSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        fields = _asked(ProviderWriteSerializer(data=request.data))
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
        fields = _asked(ProviderWriteSerializer(data=request.data, partial=partial))
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
        fields = _asked(self.get_serializer(data=request.data))
        services.set_provider_key(provider=provider, api_key=fields["api_key"])
        return _shown(provider)


class ModelListView(generics.ListAPIView[Any]):
    """Models this workspace can use: of enabled providers that have their key."""

    serializer_class = ModelSerializer

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        models = [
            {"id": f"{provider.name}/{name}", "provider": provider.name, "name": name}
            for provider in Provider.objects.usable().order_by("name")
            for name in provider.model_names
        ]
        page = self.paginate_queryset(models) or []
        return self.get_paginated_response(page)


def _agents(view: generics.GenericAPIView[Agent]) -> AgentQuerySet:
    agents: AgentQuerySet = Agent.objects.select_related("revision")
    if getattr(view, "swagger_fake_view", False):  # drawn for the schema by nobody
        return agents.none()
    return agents.visible_to(person(view.request))


def _providers() -> ProviderQuerySet:
    return Provider.objects.with_key_age()


def _shown(provider: Provider, code: int = status.HTTP_200_OK) -> Response:
    """Read again, for the age of its key."""
    found = _providers().get(pk=provider.pk)
    return Response(ProviderSerializer(found).data, status=code)


def _asked(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields
