"""The pages' addresses; the API's are in urls."""

from django.urls import path, register_converter

from chat.converters import IdConverter
from chat.views import pages

register_converter(IdConverter, "id")

app_name = "chat"
urlpatterns = [
    path("", pages.home, name="home"),
    path("c/<id:conversation_id>", pages.conversation, name="conversation"),
    path("c/<id:conversation_id>/stop", pages.stop, name="stop"),
    path("c/<id:conversation_id>/archive", pages.archive, name="archive"),
]
