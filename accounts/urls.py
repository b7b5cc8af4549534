"""The API's people and keys."""

from django.urls import path

from accounts import api

urlpatterns = [
    path("keys", api.ApiKeyListView.as_view(), name="key-list"),
    path("keys/<int:pk>", api.ApiKeyView.as_view(), name="key-detail"),
    path("users", api.UserListView.as_view(), name="user-list"),
    path("users/<int:pk>", api.UserView.as_view(), name="user-detail"),
    path(
        "users/<int:user_id>/keys", api.UserKeyListView.as_view(), name="user-key-list"
    ),
    path(
        "users/<int:user_id>/keys/<int:pk>",
        api.UserKeyView.as_view(),
        name="user-key-detail",
    ),
]
