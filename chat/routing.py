"""Addresses of web sockets."""

from django.urls import path, re_path

from chat.consumers import NewsConsumer
from tenants.asgi import no_such_socket

websocket_urlpatterns = [
    path("ws/news", NewsConsumer.as_asgi()),
    # Channels' router would raise.
    re_path("", no_such_socket),  # type: ignore[arg-type]  # an application, no view
]
