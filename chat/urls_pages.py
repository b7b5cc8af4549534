"""The pages' addresses; the API's are in urls."""

from django.urls import path

from chat.views import pages, search

app_name = "chat"
urlpatterns = [
    path("", pages.home, name="home"),
    path("c/<id:conversation_id>", pages.conversation, name="conversation"),
    path("c/<id:conversation_id>/stop", pages.stop, name="stop"),
    path("c/<id:conversation_id>/archive", pages.archive, name="archive"),
    path("search", search.page, name="search"),
]
