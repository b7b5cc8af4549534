"""Agents, and the revisions of each."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, mixins, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import person
from accounts.permissions import IsAdmin, IsAdminOrReadOnly
from agents import services
from agents.api.shared import asked
from agents.availability import providers_by_name
from agents.history import difference
from agents.models import Agent, AgentRevision
from agents.querysets import AgentQuerySet
from agents.serializers import (
    AgentSerializer,
    AgentWriteSerializer,
    RevisionDiffSerializer,
    RevisionSerializer,
)


class AgentsView(generics.GenericAPIView[Agent]):
    """What all views of agents share: the gate, and what a serializer has to know."""

    serializer_class = AgentSerializer
    permission_classes = [IsAdminOrReadOnly]

    def get_queryset(self) -> AgentQuerySet:
        agents: AgentQuerySet = Agent.objects.select_related("revision")
        agents = agents.prefetch_related("people")
        if getattr(self, "swagger_fake_view", False):  # drawn for the schema by nobody
            return agents.none()
        return agents.visible_to(person(self.request)).in_order()

    def get_object(self) -> Agent:
        found = self.get_queryset().by_reference(self.kwargs["reference"])
        return generics.get_object_or_404(found)

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if getattr(self, "swagger_fake_view", False):
            return context
        for_admin = person(self.request).is_admin
        providers = providers_by_name() if for_admin else {}
        return {**context, "for_admin": for_admin, "providers": providers}


class AgentListView(mixins.ListModelMixin, AgentsView):
    """Agents, the default first: published ones, for admins all."""

    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(request=AgentWriteSerializer, responses={201: AgentSerializer})
    def post(self, request: Request) -> Response:
        fields = asked(AgentWriteSerializer(data=request.data))
        agent = services.create_agent(**fields, author=person(request))
        shown = self.get_serializer(agent).data
        return Response(shown, status=status.HTTP_201_CREATED)


class AgentView(AgentsView):
    """One agent, by id or slug."""

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
        fields = asked(AgentWriteSerializer(data=request.data, partial=partial))
        agent = services.update_agent(agent=agent, author=person(request), **fields)
        return Response(self.get_serializer(agent).data)


class RevisionListView(generics.ListAPIView[AgentRevision]):
    """An agent's revisions, newest first."""

    serializer_class = RevisionSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[AgentRevision]:
        revisions = AgentRevision.objects.select_related("author").order_by("-number")
        if getattr(self, "swagger_fake_view", False):
            return revisions.none()
        return revisions.filter(agent=_agent(self))


class RevisionDiffView(generics.GenericAPIView[AgentRevision]):
    """What a revision changed."""

    serializer_class = RevisionDiffSerializer
    permission_classes = [IsAdmin]

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "against", int, description="Left out: the revision before it."
            )
        ]
    )
    def get(self, request: Request, reference: str, number: int) -> Response:
        revisions = AgentRevision.objects.filter(agent=_agent(self))
        new = generics.get_object_or_404(revisions, number=number)
        against = _number(request.query_params.get("against", str(max(number - 1, 1))))
        old = generics.get_object_or_404(revisions, number=against)
        return Response(self.get_serializer(difference(old, new)).data)


class RestoreView(AgentsView):
    """The old content again, as a new revision; nothing if it is the current one."""

    permission_classes = [IsAdmin]

    @extend_schema(request=None, responses=AgentSerializer)
    def post(self, request: Request, reference: str, number: int) -> Response:
        agent, author = self.get_object(), person(request)
        if not services.restore_revision(agent=agent, number=number, author=author):
            raise NotFound
        return Response(self.get_serializer(self.get_object()).data)


def _agent(view: generics.GenericAPIView[AgentRevision]) -> Agent:
    visible = Agent.objects.visible_to(person(view.request))
    return generics.get_object_or_404(visible.by_reference(view.kwargs["reference"]))


def _number(text: str) -> int:
    # More digits than any revision's number has, and PostgreSQL would refuse them.
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValidationError({"against": ["Give the number of a revision."]})
    return int(text)
