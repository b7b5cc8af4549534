"""Addresses of web sockets."""

from django.urls import path

from chat.consumers import NewsConsumer

websocket_urlpatterns = [path("ws/news", NewsConsumer.as_asgi())]
