"""The base of all admin pages: django-unfold's classes, which publish no types, as the
subclasses of Django's that they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from unfold.decorators import action

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite, ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.sites import UnfoldAdminSite as AdminSite

__all__ = ["AdminSite", "ModelAdmin", "TabularInline", "page_button"]

F = TypeVar("F", bound=Callable[..., Any])


def page_button(title: str, *, path: str, icon: str) -> Callable[[F], F]:
    """A method that is a page of its own below a row's; its name goes into the admin's
    `actions_detail`. `icon` is one of Material Symbols."""
    decorate: Callable[[F], F] = action(description=title, url_path=path, icon=icon)
    return decorate
