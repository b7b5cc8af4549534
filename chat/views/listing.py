"""The list of conversations: in the sidebar by date, and as a page where many are
changed at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, F, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
)

from accounts.models import User
from accounts.views import signed_in
from chat.ids import VALID
from chat.models import Conversation, Turn
from chat.querysets import ConversationQuerySet
from chat.services.bulk import Action, owned_among
from chat.services.telling import see
from chat.views.tree import BULK_MAX, stop_and_change

SIDEBAR = 30
PINNED = 100
PAGE = 50
ACTIONS = ("archive", "restore", "pin", "unpin", "delete")


class Group(NamedTuple):
    """Conversations under one heading; `name` is `today` where new ones go."""

    name: str
    heading: str
    conversations: list[Conversation]


def sidebar(user: User, before: str) -> dict[str, object]:
    """What chat/_sidebar.html needs; `before` is the id of the last one shown."""
    mine = with_marks(Conversation.objects.owned_by(user).active())
    shown = list(_after(mine.unpinned(), before)[: SIDEBAR + 1])
    more = len(shown) > SIDEBAR
    groups = by_date(shown[:SIDEBAR], timezone.localdate())
    pinned = list(mine.pinned().order_by("-pinned_at", "pk")[:PINNED])
    return {
        "pinned": pinned,
        "shared_with_me": _of_others(user)[:SIDEBAR],
        "groups": groups,
        "no_conversations": not shown and not pinned,
        "older": f"before={shown[SIDEBAR - 1].pk}" if more else "",
    }


def _of_others(user: User) -> ConversationQuerySet:
    """Shared with this person. What is new there only its owner is told."""
    running = Turn.objects.running().filter(conversation=OuterRef("pk"))
    shared = Conversation.objects.shared_with(user).active()
    return shared.annotate(is_running=Exists(running)).newest_first()


def with_marks(rows: ConversationQuerySet) -> ConversationQuerySet:
    """Adds `is_running`, and `is_unread`: it has changed since its owner saw it."""
    turns = Turn.objects.running().filter(conversation=OuterRef("pk"))
    return rows.annotate(
        is_running=Exists(turns), is_unread=Q(seen_at__lt=F("last_message_at"))
    ).newest_first()


def _after(rows: ConversationQuerySet, before: str) -> ConversationQuerySet:
    last = rows.filter(pk=before).first() if VALID.match(before) else None
    if last is None:
        return rows
    earlier = Q(last_message_at__lt=last.last_message_at)
    return rows.filter(
        earlier | Q(last_message_at=last.last_message_at, pk__lt=last.pk)
    )


def by_date(rows: Iterable[Conversation], today: date) -> list[Group]:
    """Today's group always comes, empty or not: that is where a new one goes."""
    groups = [Group("today", _("Today"), [])]
    for row in rows:
        heading = _heading(timezone.localdate(row.last_message_at), today)
        if groups[-1].heading != heading:
            groups.append(Group("", heading, []))
        groups[-1].conversations.append(row)
    return groups


def _heading(day: date, today: date) -> str:
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=7):
        return _("Last 7 days")
    if day > today - timedelta(days=30):
        return _("Last 30 days")
    return date_format(day, "YEAR_MONTH_FORMAT")


@login_required
@require_http_methods(["GET", "POST"])
def conversations(request: HttpRequest) -> HttpResponse:
    """All of mine, or the archived ones (`show=archived`); POST changes those ticked,
    and asks again before it deletes."""
    if request.method == "POST":
        return _bulk(request)
    archived = request.GET.get("show") == "archived"
    mine = Conversation.objects.owned_by(signed_in(request))
    rows = mine.archived() if archived else mine.active()
    before = request.GET.get("before", "")
    shown = list(_after(with_marks(rows), before)[: PAGE + 1])
    context = {
        "shown": shown[:PAGE],
        "archived": archived,
        "older": shown[PAGE - 1].pk if len(shown) > PAGE else "",
    }
    return render(request, "chat/conversation_list.html", context)


def _bulk(request: HttpRequest) -> HttpResponse:
    user, action = signed_in(request), request.POST.get("action", "")
    ticked = [pk for pk in request.POST.getlist("id") if VALID.match(pk)][:BULK_MAX]
    wanted = request.POST.get("next", "")
    own = url_has_allowed_host_and_scheme(wanted, None)
    back = redirect(wanted if own else request.get_full_path())
    if action not in ACTIONS or not ticked:
        messages.info(request, _("Nothing was chosen."))
        return back
    mine = owned_among(user, ticked)
    if action == "delete" and "sure" not in request.POST:
        rows = Conversation.objects.owned_by(user).filter(pk__in=mine).newest_first()
        return render(request, "chat/conversation_delete.html", {"doomed": rows})
    changed = stop_and_change(user=user, ids=mine, action=cast(Action, action))
    messages.success(request, _told(action, len(changed)))
    return back


def _told(action: str, count: int) -> str:
    said: dict[str, Any] = {
        "archive": ngettext(
            "%(count)d conversation archived.",
            "%(count)d conversations archived.",
            count,
        ),
        "restore": ngettext(
            "%(count)d conversation restored.",
            "%(count)d conversations restored.",
            count,
        ),
        "pin": ngettext(
            "%(count)d conversation pinned.", "%(count)d conversations pinned.", count
        ),
        "unpin": ngettext(
            "%(count)d conversation unpinned.",
            "%(count)d conversations unpinned.",
            count,
        ),
        "delete": ngettext(
            "%(count)d conversation deleted for good.",
            "%(count)d conversations deleted for good.",
            count,
        ),
    }
    return str(said[action] % {"count": count})


@login_required
@require_GET
def one(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """A line of the sidebar, for a page that hears of it over the socket."""
    user = signed_in(request)
    visible = with_marks(Conversation.objects.visible_to(user))
    item = get_object_or_404(visible, pk=conversation_id)
    context = {"item": item, "current": "", "of_another": item.owner_id != user.pk}
    return render(request, "chat/_conversation.html", context)


@login_required
@require_POST
def seen(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """The person looks at it right now."""
    mine = Conversation.objects.owned_by(signed_in(request))
    see(get_object_or_404(mine, pk=conversation_id))
    return HttpResponse(status=204)
