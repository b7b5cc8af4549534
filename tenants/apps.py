from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from tenants.contenttypes import separate_content_type_caches

        separate_content_type_caches()
