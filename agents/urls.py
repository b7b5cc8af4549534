"""The API's agents, providers and models."""

urlpatterns: list[object] = []
