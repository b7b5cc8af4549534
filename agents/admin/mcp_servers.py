"""MCP servers: their form, and a page that asks one for its tools."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from agents import services
from agents.admin.pages import KeptWhileUsed, page, row
from agents.forms import LinesField, ParametersField, ServiceForm
from agents.mcp.checking import Checked, check_server
from agents.mcp.health import health_of
from agents.models import McpServer
from tenants.adminsite import page_button


class SecretTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # untyped
    """Never filled in, not even with what was typed a moment ago and refused."""

    def format_value(self, value: Any) -> None:
        return None


class McpServerForm(ServiceForm[McpServer]):
    allowed_tools = LinesField(
        label=_("Tools"),
        required=False,
        help_text=_(
            "Names as the server has them, one in each line; empty for all. "
            "“Check” above lists them."
        ),
    )
    headers = ParametersField(
        label=_("New headers"),
        required=False,
        widget=SecretTextarea(attrs={"rows": 3, "autocomplete": "off"}),
        help_text=_(
            'For example {"Authorization": "Bearer …"}. Never shown again. Left '
            "empty, they stay as they are."
        ),
    )
    remove_headers = forms.BooleanField(
        label=_("Take the headers away"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )

    class Meta:
        model = McpServer
        fields = ["name", "url", "command", "enabled", "approval", "timeout"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["allowed_tools"] = self.instance.allowed_tools

    def clean_headers(self) -> Any:
        headers = self.cleaned_data["headers"]
        if headers and not isinstance(headers, dict):
            raise forms.ValidationError(gettext("Give an object of names and values."))
        return headers

    def keep(self, cleaned: dict[str, Any]) -> McpServer:
        fields = dict(cleaned)
        if fields.pop("remove_headers", False):
            fields["headers"] = None
        elif not fields["headers"]:
            del fields["headers"]
        if self.instance.pk is None:
            return services.create_mcp_server(**fields)
        return services.update_mcp_server(server=self.instance, **fields)


@admin.register(McpServer)
class McpServerAdmin(KeptWhileUsed[McpServer]):
    form = McpServerForm
    when_empty = _(
        "An MCP server gives tools to agents. Add one, check it, then list its "
        "tools at an agent."
    )
    list_display = ["name", "place", "enabled", "approval", "headers_set", "health"]
    list_filter = ["enabled", "approval"]
    search_fields = ["name", "url"]
    actions = None  # deleted one at a time: some of many may be in use
    actions_detail = ["check_page"]
    readonly_fields = ["headers_set", "health"]
    fieldsets = [
        (None, {"fields": ["name", "url", "command", "enabled", "health"]}),
        (_("Tools"), {"fields": ["approval", "allowed_tools", "timeout"]}),
        (_("Headers"), {"fields": ["headers_set", "headers", "remove_headers"]}),
    ]

    @admin.display(description=_("headers"))
    def headers_set(self, server: McpServer) -> str:
        """Never the headers themselves."""
        return gettext("set") if server.has_headers else gettext("none")

    @admin.display(description=_("URL or command"), ordering="url")
    def place(self, server: McpServer) -> str:
        return server.url or server.command

    @admin.display(description=_("health"))
    def health(self, server: McpServer) -> str:
        """As the last turn or check found it."""
        return "" if server._state.adding else health_of(server)

    @page_button(_("Check"), path="check", icon="network_check")
    def check_page(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Asks for its tools and says in words what is wrong."""
        server = row(self, request, object_id)
        checked: Checked | None = None
        if request.method == "POST":
            checked = check_server(server)
        return page(
            self,
            request,
            server,
            "agents/mcp_server_check.html",
            title=gettext("Check %(name)s") % {"name": server.name},
            checked=checked,
        )

    def delete_model(self, request: HttpRequest, obj: McpServer) -> None:
        services.delete_mcp_server(server=obj)

    def save_model(
        self, request: HttpRequest, obj: McpServer, form: Any, change: bool
    ) -> None:
        """The form has saved it."""
