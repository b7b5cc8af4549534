"""MCP servers; for admins."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import IsAdmin
from agents import services
from agents.api.shared import asked
from agents.mcp.checking import Checked, check_server
from agents.models import McpServer


class McpServerSerializer(serializers.ModelSerializer[McpServer]):
    """Of the headers only whether there are any. `failure` is empty where it answered
    when it was last asked."""

    id = serializers.CharField()
    allowed_tools = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = McpServer
        fields = [
            "id",
            "name",
            "url",
            "command",
            "has_headers",
            "enabled",
            "approval",
            "allowed_tools",
            "timeout",
            "asked_at",
            "failure",
            "tools_found",
        ]
        read_only_fields = fields


class McpServerWriteSerializer(serializers.Serializer[McpServer]):
    """POST and PUT need name; what is left out stays, the headers too."""

    name = serializers.CharField(max_length=30)
    url = serializers.CharField(max_length=500, allow_blank=True, required=False)
    command = serializers.CharField(max_length=500, allow_blank=True, required=False)
    headers = serializers.DictField(
        child=serializers.CharField(max_length=4_000),
        allow_null=True,
        required=False,
        write_only=True,
        help_text="Never shown again; null takes them away.",
    )
    enabled = serializers.BooleanField(required=False)
    approval = serializers.ChoiceField(
        choices=McpServer.Approval.choices, required=False
    )
    allowed_tools = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=services.ALLOWED_LIMIT,
        required=False,
        help_text="Names as the server has them; empty for all.",
    )
    timeout = serializers.IntegerField(min_value=1, max_value=120, required=False)


class McpToolSerializer(serializers.Serializer[dict[str, str]]):
    name = serializers.CharField()
    description = serializers.CharField()


class CheckedSerializer(serializers.Serializer[Checked]):
    """`code` is null where the server answered."""

    ok = serializers.BooleanField()
    code = serializers.SerializerMethodField()
    detail = serializers.CharField()
    latency_ms = serializers.IntegerField()
    tools = McpToolSerializer(many=True)

    def get_code(self, checked: Checked) -> str | None:
        return checked.code or None


class McpServerListView(generics.ListCreateAPIView[McpServer]):
    serializer_class = McpServerSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[McpServer]:
        return McpServer.objects.order_by("name")

    @extend_schema(
        request=McpServerWriteSerializer, responses={201: McpServerSerializer}
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        made = services.create_mcp_server(
            **asked(McpServerWriteSerializer(data=request.data))
        )
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)


class McpServerView(generics.GenericAPIView[McpServer]):
    serializer_class = McpServerSerializer
    permission_classes = [IsAdmin]
    queryset = McpServer.objects.all()

    def get(self, request: Request, pk: int) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=McpServerWriteSerializer)
    def put(self, request: Request, pk: int) -> Response:
        return self._change(request, partial=False)

    @extend_schema(request=McpServerWriteSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        return self._change(request, partial=True)

    def delete(self, request: Request, pk: int) -> Response:
        """409 while agents list tools of it."""
        services.delete_mcp_server(server=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _change(self, request: Request, *, partial: bool) -> Response:
        server = self.get_object()
        fields = asked(McpServerWriteSerializer(data=request.data, partial=partial))
        changed = services.update_mcp_server(server=server, **fields)
        return Response(self.get_serializer(changed).data)


class McpServerTestView(generics.GenericAPIView[Any]):
    """Asks the server for its tools; 200 also where it does not."""

    serializer_class = CheckedSerializer
    permission_classes = [IsAdmin]
    queryset = McpServer.objects.all()

    @extend_schema(request=None, responses=CheckedSerializer)
    def post(self, request: Request, pk: int) -> Response:
        return Response(CheckedSerializer(check_server(self.get_object())).data)
