"""Sign-in pages: django-allauth's."""

from django.urls import include, path

urlpatterns = [path("", include("allauth.account.urls"))]
