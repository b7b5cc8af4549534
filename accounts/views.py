"""The settings: plain sync pages, each with an address of its own. The one about data
is chat's, the one about the password allauth's."""

from __future__ import annotations

from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
)

from accounts.forms import AppearanceForm, LanguageForm, NewKeyForm, ProfileForm
from accounts.models import ApiKey, User
from accounts.services import create_api_key, end_other_sessions


def signed_in(request: HttpRequest) -> User:
    """For views behind login_required."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required said so
    return request.user


@login_required
@require_GET
def settings_home(request: HttpRequest) -> HttpResponse:
    return render(request, "settings/home.html")


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    return _change(request, ProfileForm, "settings/profile.html")


@login_required
@require_http_methods(["GET", "POST"])
def appearance(request: HttpRequest) -> HttpResponse:
    return _change(request, AppearanceForm, "settings/appearance.html")


@login_required
@require_http_methods(["GET", "POST"])
def language(request: HttpRequest) -> HttpResponse:
    return _change(request, LanguageForm, "settings/language.html")


def _change(
    request: HttpRequest, form_class: type[ModelForm[User]], template: str
) -> HttpResponse:
    """A form over some fields of one's own row; the preferences' cookie follows."""
    person = signed_in(request)
    if request.method != "POST":
        return render(request, template, {"form": form_class(instance=person)})
    # A copy, so that what is refused does not show elsewhere on the page.
    form = form_class(request.POST, instance=User.objects.get(pk=person.pk))
    if not form.is_valid():
        return render(request, template, {"form": form}, status=400)
    changed = form.save(commit=False)
    changed.save(update_fields=form.changed_data)
    for name in form.changed_data:
        setattr(person, name, getattr(changed, name))
    # Said in the language that was chosen just now.
    browsers = translation.get_language_from_request(request)
    with translation.override(person.language or browsers):
        messages.success(request, _("Saved."))
    return redirect(request.path)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """POST makes a key; the page that answers is the only place where it is shown."""
    context: dict[str, Any] = {"form": NewKeyForm(), "secret": ""}
    status = 200
    if request.method == "POST":
        form = NewKeyForm(request.POST)
        if form.is_valid():
            context["made"], context["secret"] = create_api_key(
                user=signed_in(request), name=form.cleaned_data["name"]
            )
        else:
            context["form"], status = form, 400
    context["keys"] = ApiKey.objects.visible_to(signed_in(request))
    return render(request, "settings/keys.html", context, status=status)


@login_required
@require_POST
def revoke_key(request: HttpRequest, key_id: int) -> HttpResponse:
    mine = ApiKey.objects.visible_to(signed_in(request))
    get_object_or_404(mine, pk=key_id).delete()
    messages.success(request, _("The key is revoked."))
    return redirect("settings:keys")


@login_required
@require_http_methods(["GET", "POST"])
def sessions(request: HttpRequest) -> HttpResponse:
    """Where one is signed in; POST signs out everywhere else."""
    person = signed_in(request)
    current = request.session.session_key
    if request.method == "POST":
        end_other_sessions(user=person, current=current or "")
        messages.success(request, _("You are signed out everywhere else."))
        return redirect("settings:sessions")
    found = UserSession.objects.purge_and_list(person)
    found.sort(key=lambda session: (session.session_key != current, -session.pk))
    rows = [(session, session.session_key == current) for session in found]
    return render(request, "settings/sessions.html", {"sessions": rows})
