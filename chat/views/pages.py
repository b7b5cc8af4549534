"""The pages: plain sync views, and what works without scripts.

With scripts the page talks to the API (stream.py); both start turns by the same door.
"""

from __future__ import annotations

import re
from functools import partial

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import APIError
from accounts.models import User
from agents.models import Agent
from chat.body import read_body
from chat.models import Conversation, Message
from chat.querysets import ConversationQuerySet
from chat.services.starting import start_turn
from chat.templatetags.chat_markup import MARKS
from chat.turns.background import get_background
from chat.turns.ending import stop_turns_and_wait
from chat.views.listing import sidebar
from tenants.db import release, scope

MESSAGES = 100
# More than this at once no browser shows comfortably.
MESSAGES_MAX = 5_000


@login_required
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """An empty conversation; POST sends its first message."""
    if request.method == "POST":
        return _send(request, None)
    return _page(request, None)


@login_required
@require_http_methods(["GET", "POST"])
def conversation(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """One conversation; POST sends the next message."""
    visible = Conversation.objects.visible_to(_user(request)).with_shares()
    found = get_object_or_404(visible.select_related("agent"), pk=conversation_id)
    if request.method == "POST":
        return _send(request, found)
    return _page(request, found)


@login_required
@require_POST
def stop(request: HttpRequest, conversation_id: str) -> HttpResponse:
    user = _user(request)
    found = allowed(user, conversation_id, Conversation.objects.writable_by(user))
    stop_turns_and_wait(found.pk)
    return redirect("chat:conversation", found.pk)


@login_required
@require_POST
def archive(request: HttpRequest, conversation_id: str) -> HttpResponse:
    user = _user(request)
    found = allowed(user, conversation_id, Conversation.objects.owned_by(user))
    stop_turns_and_wait(found.pk)
    found.archive()
    return redirect("chat:home")


def allowed(
    user: User, conversation_id: str, gate: ConversationQuerySet
) -> Conversation:
    """What a narrower gate lets through; raises PermissionDenied for the rest of what
    this person sees, and Http404."""
    found = gate.filter(pk=conversation_id).first()
    if found is None:
        get_object_or_404(Conversation.objects.visible_to(user), pk=conversation_id)
        raise PermissionDenied
    return found


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    return request.user


def _send(request: HttpRequest, found: Conversation | None) -> HttpResponse:
    text = request.POST.get("message", "").replace("\r\n", "\n")
    body = {"message": text, "conversationId": found.pk if found else None}
    try:
        commit = partial(start_turn, user=_user(request), send=read_body(body).send)
        # In the server's event loop, where turns live and want connections too.
        release()
        live = async_to_sync(get_background().runner.start)(scope(), commit)
    except APIError as refusal:
        kept = text.replace("\x00", "")
        page = _page(request, found, text=kept, notice=refusal.detail)
        page.status_code = refusal.status
        return page
    return redirect("chat:conversation", live.plan.conversation_id)


def _page(
    request: HttpRequest,
    found: Conversation | None,
    *,
    text: str = "",
    notice: str = "",
) -> HttpResponse:
    user = _user(request)
    agent = found.agent if found else Agent.objects.visible_to(user).in_order().first()
    context = {
        "conversation": found,
        "agent": agent,
        "text": text,
        "notice": notice,
        "role": found.role_of(user) if found else "owner",
        "blanks": _blanks(),
        **sidebar(user, request.GET.get("before", "")),
    }
    if found is not None:
        if found.owner_id == user.pk:
            found.see()
        context |= _transcript(found, request.GET.get("messages", ""))
    return render(request, "chat/conversation_page.html", context)


def _blanks() -> dict[str, object]:
    """What the page's templates for scripts are rendered from."""
    return {
        "user": Message(pk="", role=Message.Role.USER),
        "reply": Message(pk="", role=Message.Role.ASSISTANT),
        "item": Conversation(pk=""),
        "marks": (*MARKS, "lost"),
    }


def _transcript(found: Conversation, wanted: str) -> dict[str, object]:
    """The newest messages of the active branch; `wanted` is how many, as typed."""
    count = int(wanted) if re.fullmatch("[0-9]{1,5}", wanted) else MESSAGES
    count = min(max(count, MESSAGES), MESSAGES_MAX)
    branch = Message.objects.path_to(found.active_leaf_id, found)
    newest = list(branch.select_related("author").reverse()[: count + 1])
    more = len(newest) > count
    return {
        "messages_shown": newest[:count][::-1],
        "earlier": f"messages={count + MESSAGES}" if more else "",
        "running": found.turns.running().exists(),
    }
