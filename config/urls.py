"""A tenant's host."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from config.docs import DocsView
from config.modelnames import translate_names
from config.styles import sheet
from usage.overview import overview

translate_names()

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"

urlpatterns = [
    # First, since Django looks through all that stand before.
    path("api/v1/", include("chat.urls")),
    path("styles/<slug:name>-<slug:digest>.css", sheet, name="styles"),
    path("", include("chat.urls_pages")),
    path("", include("usage.urls_pages")),
    path("settings", include("accounts.urls_settings")),
    path("accounts/", include("accounts.urls_pages")),
    path("admin/month", admin.site.admin_view(overview), name="usage-by-month"),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", DocsView.as_view(), name="docs"),
    path("api/v1/", include("agents.urls")),
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("usage.urls")),
]
