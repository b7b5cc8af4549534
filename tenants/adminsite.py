"""The base of all admin pages: django-unfold's classes, which publish no types, as the
subclasses of Django's that they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django_stubs_ext import StrPromise
from unfold.decorators import action

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite, StackedInline
    from django.contrib.admin import ModelAdmin as UnfoldAdmin
else:
    from unfold.admin import ModelAdmin as UnfoldAdmin
    from unfold.admin import StackedInline
    from unfold.sites import UnfoldAdminSite as AdminSite

__all__ = ["AdminSite", "ModelAdmin", "StackedInline", "page_button"]

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound=Model)
# A list that can be filtered by them spells them out, one letter after the other.
_SECRETS = frozenset({"ciphertext", "digest", "password"})


class ModelAdmin(UnfoldAdmin[M]):
    """Answers what no link of ours asks for as Django answers most of it: with 400, or
    with the list and a word. `when_empty` says what to do where a list has no rows."""

    when_empty: StrPromise | str = ""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        asked = _SECRETS.isdisjoint(lookup.split("__"))
        return asked and super().lookup_allowed(lookup, value, request)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError) as error:  # such as the year 99999999
            raise IncorrectLookupParameters from error

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[M], *place: Any
    ) -> HttpResponse | None:
        try:
            for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(chosen)
        except ValidationError:
            return None  # there is no such row
        return super().response_action(request, queryset, *place)


def page_button(title: str | StrPromise, *, path: str, icon: str) -> Callable[[F], F]:
    """A method that is a page of its own below a row's; its name goes into the admin's
    `actions_detail`. `icon` is one of Material Symbols."""
    decorate: Callable[[F], F] = action(description=title, url_path=path, icon=icon)
    return decorate
