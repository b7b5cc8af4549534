"""The platform host: tenants and domains, no chat."""

from django.urls import path
from django.views.generic import TemplateView

from config.modelnames import translate_names
from tenants.admin import platform_site
from usage import views_platform

translate_names()

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"

urlpatterns = [
    path("", TemplateView.as_view(template_name="platform/home.html"), name="home"),
    path(
        "admin/usage",
        platform_site.admin_view(views_platform.totals),
        name="platform-usage",
    ),
    path("admin/", platform_site.urls),
]
