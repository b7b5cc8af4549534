"""The first steps of a tenant's owner: what is there already, and where to go for the
rest. Nothing is kept about them; each step looks for itself."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.views import signed_in
from agents.models import Agent, Provider
from chat.models import Message


@login_required
@require_GET
def welcome(request: HttpRequest) -> HttpResponse:
    if not signed_in(request).is_admin:
        raise PermissionDenied
    # A new tenant has a local provider and an agent of its own: steps are done when
    # somebody has gone beyond these.
    agents = Agent.objects.published().select_related("revision")
    done = {
        "has_provider": Provider.objects.usable().exclude(kind="local").exists(),
        "has_agent": agents.exclude(revision__model__startswith="local/").exists(),
        "has_people": User.objects.filter(is_active=True).count() > 1,
        "has_reply": Message.objects.filter(
            role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE
        ).exists(),
    }
    context = {**done, "steps_done": sum(done.values())}
    return render(request, "chat/welcome.html", context)
