"""The pages of sharing: the owner's, and what a link shows to whoever has it."""

from __future__ import annotations

from csp.decorators import csp_replace
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts.errors import APIError
from accounts.models import User
from chat.errors import NotFoundError
from chat.forms import ShareForm
from chat.models import ChatSettings, Conversation
from chat.services import sharing
from chat.services.forking import copy_linked
from chat.services.sharing import linked, snapshot
from chat.views.pages import allowed
from chat.views.shares import address_of


@login_required
@require_http_methods(["GET", "POST"])
def share(request: HttpRequest, conversation_id: str) -> HttpResponse:
    """Who may see my conversation; POST shares it. A new link's address is in the
    answer to that, and nowhere else."""
    user = _user(request)
    found = allowed(user, conversation_id, Conversation.objects.owned_by(user))
    form = ShareForm(request.POST or None, initial={"kind": "person"})
    token = None
    if request.method == "POST" and form.is_valid():
        token = _share(user, found, form)
        if token is None and not form.errors:
            return redirect("chat:share", found.pk)
    context = {
        "conversation": found,
        "form": form,
        "shares": found.shares.standing().select_related("person"),
        "url": address_of(request, token) if token else "",
        "is_public": ChatSettings.current().link_shares,
    }
    return render(request, "chat/share_page.html", context)


def _share(user: User, found: Conversation, form: ShareForm) -> str | None:
    """The token of a new link; refusals become the form's errors."""
    try:
        made = sharing.share(
            user=user,
            conversation_id=found.pk,
            whom=form.whom,
            role=form.role_given,
            expires_at=form.expires_at,
        )
    except ValidationError as error:
        form.add_error(None, error.messages)
        return None
    except APIError as error:
        form.add_error(None, error.detail)
        return None
    return made.token


@login_required
@require_POST
def revoke(request: HttpRequest, conversation_id: str, share_id: str) -> HttpResponse:
    user = _user(request)
    found = allowed(user, conversation_id, Conversation.objects.owned_by(user))
    try:
        sharing.revoke(user=user, conversation_id=found.pk, share_id=share_id)
    except NotFoundError as error:
        raise Http404 from error
    return redirect("chat:share", found.pk)


@login_required
@require_POST
def leave(request: HttpRequest, conversation_id: str) -> HttpResponse:
    user = _user(request)
    shared = Conversation.objects.shared_with(user)
    found = allowed(user, conversation_id, shared)
    try:
        sharing.leave(user=user, conversation_id=found.pk)
    except APIError:  # it is everybody's
        return redirect("chat:conversation", found.pk)
    return redirect("chat:home")


@csp_replace({"script-src": None, "connect-src": None})  # type: ignore[arg-type]  # it takes views with arguments too
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """The branch behind a link, for people of the tenant, and for everybody where the
    tenant allows it. Whoever has to sign in first learns nothing of the link."""
    if not request.user.is_authenticated and not ChatSettings.current().link_shares:
        return _guarded(redirect_to_login(request.get_full_path()))
    try:
        found = linked(token)
        messages = snapshot(found)
    except NotFoundError as error:
        raise Http404 from error
    context = {"share": found, "messages_shown": messages, "token": token}
    response = render(request, "chat/shared_page.html", context)
    if not request.user.is_authenticated:
        # Members have a form here, for which a browser must tell its origin.
        response["Referrer-Policy"] = "no-referrer"
    return _guarded(response)


@login_required
@require_POST
def copy(request: HttpRequest, token: str) -> HttpResponse:
    """Continue what a link shows as a conversation of one's own."""
    try:
        made = copy_linked(user=_user(request), token=token)
    except NotFoundError as error:
        raise Http404 from error
    return redirect("chat:conversation", made.pk)


def _guarded(response: HttpResponse) -> HttpResponse:
    """Found by no search engine, and kept by nobody: what is revoked is gone."""
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Cache-Control"] = "no-store"
    return response


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    return request.user
