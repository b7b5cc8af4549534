"""Pages of one row beside its form: reached by unfold's buttons, which are links, so
that what changes anything is a form on the page."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.errors import APIError
from accounts.models import User
from tenants.adminsite import ModelAdmin

M = TypeVar("M", bound=Model)


class KeptWhileUsed(ModelAdmin[M]):
    """Of rows that a service deletes, or says what uses them: without the button nobody
    would know why."""

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except APIError as error:
            messages.error(request, error.detail)
        return HttpResponseRedirect(reverse(_changelist(self)))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only what is an admin's: Django's list would have the titles of all people's
        conversations with an agent. The service says whether there are any."""
        rows = [str(each) for each in objs]
        return rows, {self.opts.verbose_name_plural: len(rows)}, set(), []


def _changelist(model_admin: admin.ModelAdmin[M]) -> str:
    return (
        f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist"
    )


def row(model_admin: admin.ModelAdmin[M], request: HttpRequest, object_id: str) -> M:
    """Raises Http404, and PermissionDenied for who may not change it."""
    found = model_admin.get_object(request, object_id)
    if found is None:
        raise Http404
    if not model_admin.has_change_permission(request, found):
        raise PermissionDenied
    return found


def admin_of(request: HttpRequest) -> User:
    """Whom the admin let in."""
    if not isinstance(request.user, User):
        raise AssertionError("the admin lets only people in")
    return request.user


def page(
    model_admin: admin.ModelAdmin[M],
    request: HttpRequest,
    original: M,
    template: str,
    **context: Any,
) -> TemplateResponse:
    request.current_app = model_admin.admin_site.name
    shared = model_admin.admin_site.each_context(request)
    own = {"opts": model_admin.opts, "original": original}
    return TemplateResponse(request, template, {**shared, **own, **context})


def said(error: ValidationError) -> str:
    return " ".join(error.messages)
