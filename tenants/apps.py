from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = _("Platform")

    def ready(self) -> None:
        from tenants.contenttypes import separate_content_type_caches

        separate_content_type_caches()
