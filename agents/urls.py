"""The API's agents, providers and models."""

from django.urls import path

from agents import api

urlpatterns = [
    path("agents", api.AgentListView.as_view(), name="agent-list"),
    # A slug or an id; the converter lets no NUL and no slash through.
    path("agents/<slug:reference>", api.AgentView.as_view(), name="agent-detail"),
    path("providers", api.ProviderListView.as_view(), name="provider-list"),
    path("providers/<int:pk>", api.ProviderView.as_view(), name="provider-detail"),
    path("providers/<int:pk>/rotate", api.RotateView.as_view(), name="provider-rotate"),
    path("models", api.ModelListView.as_view(), name="model-list"),
]
