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
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.errors import APIError
from accounts.models import User
from chat.body import read_body
from chat.ids import VALID
from chat.models import RUNNING, TITLE_LENGTH, Conversation, Message, one_line
from chat.querysets import ConversationQuerySet
from chat.services.conversations import rename
from chat.services.starting import start_turn
from chat.services.telling import see
from chat.showing import MESSAGES_MAX, Row, gauge_of, transcript
from chat.turns.background import get_background
from chat.turns.ending import stop_turns_and_wait
from chat.turns.plan import Send
from chat.views.choosing import chosen
from chat.views.listing import sidebar
from tenants.db import release, scope

MESSAGES = 100


@login_required
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """An empty conversation; POST sends its first message."""
    if request.method == "POST":
        return _send(request, None)
    return page(request, None)


@login_required
@require_http_methods(["GET", "POST"])
def conversation(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """One conversation; POST sends the next message."""
    found = visible(request, conversation_id)
    if request.method == "POST":
        return _send(request, found)
    return page(request, found)


@login_required
@require_GET
def messages(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """A part of the transcript: from the message `from` on, or a page of those above
    the message `before`, or the newest ones."""
    found = visible(request, conversation_id)
    shown = transcript(
        found,
        count=MESSAGES,
        start=request.GET.get("from", ""),
        before=request.GET.get("before", ""),
    )
    context = {
        "conversation": found,
        "role": found.role_of(person(request)),
        "shown": shown,
        "earlier": _earlier(shown.earlier, MESSAGES),
        "gauge": None if "before" in request.GET else gauge_of(shown.last_reply),
    }
    return render(request, "chat/_messages.html", context)


@login_required
@require_GET
def message(
    request: HttpRequest, conversation_id: str, message_id: str
) -> HttpResponse:
    """What else can be done with a message; scripts show it in the conversation."""
    found = visible(request, conversation_id)
    known = found.messages.select_related("agent_revision__agent")
    context = {
        "conversation": found,
        "message": get_object_or_404(known, pk=message_id),
        "role": found.role_of(person(request)),
    }
    return render(request, "chat/message_page.html", context)


@login_required
@require_POST
def stop(request: HttpRequest, conversation_id: str) -> HttpResponse:
    user = person(request)
    found = allowed(user, conversation_id, Conversation.objects.writable_by(user))
    stop_turns_and_wait(found.pk)
    return redirect("chat:conversation", found.pk)


@login_required
@require_POST
def archive(request: HttpRequest, conversation_id: str) -> HttpResponse:
    user = person(request)
    found = allowed(user, conversation_id, Conversation.objects.owned_by(user))
    stop_turns_and_wait(found.pk)
    found.archive()
    return redirect("chat:home")


@login_required
@require_POST
def retitle(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """`title`, of which an empty one changes nothing."""
    user = person(request)
    found = allowed(user, conversation_id, Conversation.objects.owned_by(user))
    typed = request.POST.get("title", "").replace("\x00", "")
    if title := one_line(typed, TITLE_LENGTH):
        rename(conversation=found, title=title)
    return redirect("chat:conversation", found.pk)


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


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    return request.user


def start(user: User, send: Send) -> str:
    """Start a turn; the conversation's id. In the server's event loop, where turns live
    and want connections too. Raises as `start_turn` does."""
    release()
    commit = partial(start_turn, user=user, send=send)
    live = async_to_sync(get_background().runner.start)(scope(), commit)
    return live.plan.conversation_id


def refused(
    request: HttpRequest, found: Conversation | None, error: APIError, text: str = ""
) -> HttpResponse:
    """The page again, with the reason and the text that was not taken."""
    shown = page(request, found, text=text, notice=error.detail)
    shown.status_code = error.status
    return shown


def page(
    request: HttpRequest,
    found: Conversation | None,
    *,
    text: str = "",
    notice: str = "",
) -> HttpResponse:
    user = person(request)
    context: dict[str, object] = {
        "conversation": found,
        "text": text,
        "notice": notice,
        "role": found.role_of(user) if found else "owner",
        "leaves": found is not None and found.is_left_by(user),
        "blanks": _blanks(),
        **sidebar(user, request.GET.get("before", "")),
    }
    last_reply = None
    if found is not None:
        if found.owner_id == user.pk:
            see(found)
        count, at = _count(request.GET.get("messages", "")), request.GET.get("at", "")
        shown = transcript(found, count=count, at=at)
        last_reply = shown.last_reply
        context |= {
            "shown": shown,
            "earlier": _earlier(shown.earlier, max(count, len(shown.rows))),
            "elsewhere": "" if shown.on_branch else _message_of(found, at),
            "gauge": gauge_of(last_reply),
            # Of what is shown: a turn that ends meanwhile must not be half on the page.
            "running": any(row.message.status in RUNNING for row in shown.rows),
        }
    asked = request.POST if request.method == "POST" else request.GET
    context["choice"] = chosen(user, asked, found, last_reply)
    return render(request, "chat/conversation_page.html", context)


def visible(request: HttpRequest, conversation_id: str) -> Conversation:
    """With its agent and shares; raises Http404."""
    gate = Conversation.objects.visible_to(person(request)).with_shares()
    return get_object_or_404(gate.select_related("agent"), pk=conversation_id)


def _send(request: HttpRequest, found: Conversation | None) -> HttpResponse:
    """`starter` is one of the agent's questions, which stands for the text."""
    posted = request.POST
    text = (posted.get("starter") or posted.get("message", "")).replace("\r\n", "\n")
    body = {
        "message": text,
        "conversationId": found.pk if found else None,
        "agentId": posted.get("agent"),
        "model": posted.get("model"),
    }
    try:
        return redirect(
            "chat:conversation", start(person(request), read_body(body).send)
        )
    except APIError as refusal:
        return refused(request, found, refusal, text.replace("\x00", ""))


def _count(wanted: str) -> int:
    """How many messages to show, as typed into the address."""
    count = int(wanted) if re.fullmatch("[0-9]{1,5}", wanted) else MESSAGES
    return min(max(count, MESSAGES), MESSAGES_MAX)


def _message_of(found: Conversation, message_id: str) -> str:
    """The id, if there is such a message; it is in a version that is not shown."""
    known = VALID.match(message_id) and found.messages.filter(pk=message_id).exists()
    return message_id if known else ""


def _earlier(more: bool, count: int) -> str:
    return f"messages={count + MESSAGES}" if more else ""


def _blanks() -> dict[str, object]:
    """What the page's templates for scripts are rendered from."""
    return {
        "user": Row(Message(pk="", role=Message.Role.USER)),
        "reply": Row(Message(pk="", role=Message.Role.ASSISTANT)),
        "item": Conversation(pk=""),
    }
