"""What the buttons of a message do without scripts; with them the page asks the API."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.errors import APIError
from accounts.models import User
from chat.errors import NotFoundError
from chat.ids import VALID
from chat.models import WISH_LENGTH, Conversation
from chat.services.forking import fork
from chat.services.tree import select_branch
from chat.turns.ending import delete_stopping, stop_turns_and_wait
from chat.turns.plan import Send
from chat.views import pages

Act = Callable[[User, str, str], str]
# Buttons that try again with a wish; what they say is the wish.
WISHES = {"shorter": _("Shorter"), "longer": _("More detail")}


@login_required
@require_POST
def act(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """`<name of the act>=<message id>`, as the button sends it."""
    user = pages.person(request)
    visible = Conversation.objects.visible_to(user).with_shares()
    found = get_object_or_404(visible.select_related("agent"), pk=conversation_id)
    names = (*_ACTS, *WISHES, "regenerate")
    name = next((name for name in names if name in request.POST), "")
    if name not in ("fork", "more"):
        pages.allowed(user, found.pk, Conversation.objects.writable_by(user))
    try:
        if not name or not VALID.match(request.POST[name]):
            raise NotFoundError("There is no such message in this conversation.")
        message_id = request.POST[name]
        if name == "regenerate" or name in WISHES:
            place = _regenerate(user, found.pk, message_id, _wish(request, name))
        else:
            place = _ACTS[name](user, found.pk, message_id)
    except APIError as refusal:
        return pages.refused(request, found, refusal)
    return redirect(place)


def _wish(request: HttpRequest, name: str) -> str:
    typed = request.POST.get("wish", "").replace("\x00", "").strip()[:WISH_LENGTH]
    return str(WISHES.get(name, typed))


def _regenerate(user: User, conversation_id: str, message_id: str, wish: str) -> str:
    stop_turns_and_wait(conversation_id)
    send = Send(
        trigger="regenerate",
        conversation_id=conversation_id,
        target_id=message_id,
        wish=wish,
    )
    return f"/c/{pages.start(user, send)}"


def _continue(user: User, conversation_id: str, message_id: str) -> str:
    send = Send(
        trigger="continue", conversation_id=conversation_id, target_id=message_id
    )
    return f"/c/{pages.start(user, send)}"


def _branch(user: User, conversation_id: str, message_id: str) -> str:
    select_branch(user=user, conversation_id=conversation_id, message_id=message_id)
    return f"/c/{conversation_id}?at={message_id}#message-{message_id}"


def _delete(user: User, conversation_id: str, message_id: str) -> str:
    delete_stopping(user=user, conversation_id=conversation_id, message_id=message_id)
    return f"/c/{conversation_id}"


def _fork(user: User, conversation_id: str, message_id: str) -> str:
    made = fork(user=user, conversation_id=conversation_id, message_id=message_id)
    return f"/c/{made.pk}"


def _more(user: User, conversation_id: str, message_id: str) -> str:
    return f"/c/{conversation_id}/messages/{message_id}"


_ACTS: dict[str, Act] = {
    "continue": _continue,
    "branch": _branch,
    "delete": _delete,
    "fork": _fork,
    "more": _more,
}
