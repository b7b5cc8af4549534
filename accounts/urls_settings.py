"""The settings' addresses; /settings/data is chat's."""

from django.urls import path

from accounts import views

app_name = "settings"
urlpatterns = [
    path("", views.settings_home, name="home"),
    path("/profile", views.profile, name="profile"),
    path("/appearance", views.appearance, name="appearance"),
    path("/language", views.language, name="language"),
    path("/keys", views.keys, name="keys"),
    path("/keys/<int:key_id>/revoke", views.revoke_key, name="revoke-key"),
    path("/sessions", views.sessions, name="sessions"),
]
