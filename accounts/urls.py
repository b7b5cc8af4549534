"""The API's keys."""

from django.urls import path

from accounts.api import ApiKeyListView, ApiKeyView

urlpatterns = [
    path("keys", ApiKeyListView.as_view(), name="key-list"),
    path("keys/<int:pk>", ApiKeyView.as_view(), name="key-detail"),
]
