"""Finding a place in one conversation: its questions as an outline, a search, and a
look at it from outside."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.errors import APIError
from chat.ids import VALID
from chat.models import Conversation
from chat.search.within import around, find_within, questions
from chat.serializers import SearchSerializer
from chat.views.pages import visible


@login_required
@require_GET
def page(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """`q` as the form gives it; without it, the questions."""
    return _places(request, conversation_id, "chat/find_page.html")


@login_required
@require_GET
def places(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """The same as a fragment, for a dialog."""
    return _places(request, conversation_id, "chat/_places.html")


@login_required
@require_GET
def preview(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """Some messages of it, around the message `at`, for a list of what was found."""
    found = visible(request, conversation_id)
    at = request.GET.get("at", "")
    shown = around(found, at if VALID.match(at) else "")
    context = {"conversation": found, "at": at, "places": shown}
    return render(request, "chat/_preview.html", context)


def _places(request: HttpRequest, conversation_id: str, template: str) -> HttpResponse:
    found = visible(request, conversation_id)
    typed = request.GET.get("q", "")
    context = {"conversation": found, "q": typed, **_found(found, typed)}
    return render(request, template, context)


def _found(conversation: Conversation, typed: str) -> dict[str, object]:
    if not typed.strip():
        return {"places": questions(conversation)}
    asked = SearchSerializer(data={"q": typed})
    if not asked.is_valid():
        return {"notice": str(asked.errors["q"][0])}
    try:
        return {"places": find_within(conversation, asked.validated_data["q"])}
    except ValidationError as error:
        return {"notice": error.messages[0]}
    except APIError as error:
        return {"notice": error.detail}
