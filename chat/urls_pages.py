"""The pages' addresses; the API's are in urls."""

from django.urls import path

from chat.views import (
    acts,
    choosing,
    data,
    listing,
    pages,
    search,
    sharing,
    welcome,
    within,
)

app_name = "chat"
urlpatterns = [
    path("", pages.home, name="home"),
    path("c/<id:conversation_id>", pages.conversation, name="conversation"),
    path("c/<id:conversation_id>/stop", pages.stop, name="stop"),
    path("c/<id:conversation_id>/archive", pages.archive, name="archive"),
    path("c/<id:conversation_id>/rename", pages.retitle, name="rename"),
    path("c/<id:conversation_id>/acts", acts.act, name="acts"),
    path("c/<id:conversation_id>/messages", pages.messages, name="messages"),
    path(
        "c/<id:conversation_id>/messages/<id:message_id>", pages.message, name="message"
    ),
    path("c/<id:conversation_id>/find", within.page, name="find"),
    path("c/<id:conversation_id>/preview", within.preview, name="preview"),
    path("c/<id:conversation_id>/places", within.places, name="places"),
    path("c/<id:conversation_id>/share", sharing.share, name="share"),
    path(
        "c/<id:conversation_id>/share/<id:share_id>/revoke",
        sharing.revoke,
        name="share-revoke",
    ),
    path("c/<id:conversation_id>/leave", sharing.leave, name="leave"),
    path("s/<id:token>", sharing.shared, name="shared"),
    path("s/<id:token>/copy", sharing.copy, name="shared-copy"),
    path("c/<id:conversation_id>/seen", listing.seen, name="seen"),
    path("c/<id:conversation_id>/listed", listing.one, name="listed"),
    path("conversations", listing.conversations, name="conversations"),
    path("welcome", welcome.welcome, name="welcome"),
    path("choose", choosing.options, name="options"),
    path("search", search.page, name="search"),
    path("search/results", search.results, name="search-results"),
    path("settings/data", data.data, name="data"),
    path("settings/shortcuts", data.shortcuts, name="shortcuts"),
]
