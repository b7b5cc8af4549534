"""The pages' addresses; the API's are in urls."""

from django.urls import path

from usage import views

app_name = "usage"
urlpatterns = [path("usage", views.home, name="home")]
