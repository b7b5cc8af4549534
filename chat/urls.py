"""The API's conversations."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from chat.schema import (
    ConversationCollection,
    ConversationStop,
    ConversationStream,
)
from chat.views import api, exports, managing, search, shares, stream, tree
from chat.views.trying import TryView
from tenants.db import scope, unit

_list = api.ConversationListView.as_view()


def _listed(request: HttpRequest) -> HttpResponseBase:
    response = _list(request)
    response.render()  # here, where the rows still can be read
    return response


@csrf_exempt
async def collection(request: HttpRequest) -> HttpResponseBase:
    """POST streams and must hold no thread; all else is a DRF view, in a unit."""
    if request.method == "POST":
        return await stream.start(request)
    return await unit(scope(), _listed, request)


# Where drf-spectacular looks for the documentation of a view.
for _view, _described in (
    (collection, ConversationCollection),
    (stream.follow, ConversationStream),
    (stream.stop, ConversationStop),
):
    vars(_view).update(cls=_described, initkwargs={})

app_name = "chat-api"
urlpatterns = [
    path("chat", collection, name="conversation-list"),
    path("chat/bulk", tree.BulkView.as_view(), name="conversation-bulk"),
    path(
        "chat/<id:conversation_id>",
        api.ConversationView.as_view(),
        name="conversation-detail",
    ),
    path(
        "chat/<id:conversation_id>/archive",
        api.ArchiveView.as_view(),
        name="conversation-archive",
    ),
    path(
        "chat/<id:conversation_id>/messages",
        api.MessagesView.as_view(),
        name="conversation-messages",
    ),
    path(
        "chat/<id:conversation_id>/export",
        exports.ConversationExportView.as_view(),
        name="conversation-export",
    ),
    path(
        "chat/<id:conversation_id>/messages/<id:message_id>",
        tree.MessageView.as_view(),
        name="conversation-message",
    ),
    path(
        "chat/<id:conversation_id>/fork",
        tree.ForkView.as_view(),
        name="conversation-fork",
    ),
    path(
        "chat/<id:conversation_id>/shares",
        shares.SharesView.as_view(),
        name="conversation-shares",
    ),
    path(
        "chat/<id:conversation_id>/shares/<id:share_id>",
        shares.ShareView.as_view(),
        name="conversation-share",
    ),
    path(
        "chat/<id:conversation_id>/leave",
        shares.LeaveView.as_view(),
        name="conversation-leave",
    ),
    path("chat/<id:conversation_id>/stream", stream.follow, name="conversation-stream"),
    path("chat/<id:conversation_id>/stop", stream.stop, name="conversation-stop"),
    path("export", exports.ArchiveExportView.as_view(), name="export"),
    path("import", exports.ImportView.as_view(), name="import"),
    path("agents/<slug:reference>/try", TryView.as_view(), name="agent-try"),
    path("search", search.SearchView.as_view(), name="search"),
    path("settings/chat", managing.ChatSettingsView.as_view(), name="chat-settings"),
    path(
        "share-events", managing.ShareEventListView.as_view(), name="share-event-list"
    ),
]
