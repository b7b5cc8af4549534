"""DRF permissions by role."""

from __future__ import annotations

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class IsAdmin(BasePermission):
    """Owners and admins of the tenant."""

    message = "Only admins of this workspace may do that."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return getattr(request.user, "is_admin", False)


class IsAdminOrReadOnly(IsAdmin):
    """Everybody signed in may read; only admins write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return request.user.is_authenticated
        return super().has_permission(request, view)
