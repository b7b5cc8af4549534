"""The API's keys."""

urlpatterns: list[object] = []
