from importlib import import_module

from django.apps import AppConfig
from django.urls import register_converter
from django.utils.translation import gettext_lazy as _

from chat.converters import IdConverter


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = _("Workspace")

    def ready(self) -> None:
        # Registers its tool; it needs the models, which are ready only now.
        import_module("chat.tools")
        # Here, since pages and API both use it and it may be registered only once.
        register_converter(IdConverter, "id")
