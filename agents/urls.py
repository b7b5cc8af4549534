"""The API's agents, providers and models."""

from django.urls import path

from agents.api import agents, mcp_servers, providers

urlpatterns = [
    path("agents", agents.AgentListView.as_view(), name="agent-list"),
    # A slug or an id; the converter lets no NUL and no slash through.
    path("agents/<slug:reference>", agents.AgentView.as_view(), name="agent-detail"),
    path(
        "agents/<slug:reference>/revisions",
        agents.RevisionListView.as_view(),
        name="agent-revisions",
    ),
    path(
        "agents/<slug:reference>/revisions/<int:number>/diff",
        agents.RevisionDiffView.as_view(),
        name="agent-revision-diff",
    ),
    path(
        "agents/<slug:reference>/revisions/<int:number>/restore",
        agents.RestoreView.as_view(),
        name="agent-revision-restore",
    ),
    path("providers", providers.ProviderListView.as_view(), name="provider-list"),
    path(
        "providers/<int:pk>", providers.ProviderView.as_view(), name="provider-detail"
    ),
    path(
        "providers/<int:pk>/rotate",
        providers.RotateView.as_view(),
        name="provider-rotate",
    ),
    path(
        "providers/<int:pk>/keys",
        providers.VersionListView.as_view(),
        name="provider-keys",
    ),
    path(
        "providers/<int:pk>/keys/<int:version>/revoke",
        providers.RevokeView.as_view(),
        name="provider-key-revoke",
    ),
    path("providers/<int:pk>/test", providers.TestView.as_view(), name="provider-test"),
    path(
        "providers/<int:pk>/models",
        providers.DiscoveryView.as_view(),
        name="provider-models",
    ),
    path(
        "mcp-servers", mcp_servers.McpServerListView.as_view(), name="mcp-server-list"
    ),
    path(
        "mcp-servers/<int:pk>",
        mcp_servers.McpServerView.as_view(),
        name="mcp-server-detail",
    ),
    path(
        "mcp-servers/<int:pk>/test",
        mcp_servers.McpServerTestView.as_view(),
        name="mcp-server-test",
    ),
    path("models", providers.ModelListView.as_view(), name="model-list"),
]
