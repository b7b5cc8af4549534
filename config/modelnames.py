"""The names of models and their fields in the admin, in the person's language.

Django makes them from names in the code, where no catalogue finds them. They are marked
here, and looked up when they are shown; migrations know nothing of it.
"""

from __future__ import annotations

from typing import Final

from django.apps import apps
from django.utils import translation
from django.utils.translation import gettext_lazy, gettext_noop

_APPS: Final = ("accounts", "agents", "chat", "tenants", "usage")
NAMES: Final = (
    gettext_noop("action"),
    gettext_noop("active"),
    gettext_noop("agent"),
    gettext_noop("agents"),
    gettext_noop("allowed tools"),
    gettext_noop("answers at once, each person"),
    gettext_noop("answers at once, everybody together"),
    gettext_noop("API key"),
    gettext_noop("API keys"),
    gettext_noop("approval"),
    gettext_noop("asked at"),
    gettext_noop("at"),
    gettext_noop("base URL"),
    gettext_noop("budget"),
    gettext_noop("budgets"),
    gettext_noop("by"),
    gettext_noop("cached input"),
    gettext_noop("cached input price"),
    gettext_noop("cached tokens"),
    gettext_noop("call"),
    gettext_noop("calls"),
    gettext_noop("chat settings"),
    gettext_noop("ciphertext"),
    gettext_noop("colour"),
    gettext_noop("command"),
    gettext_noop("completion tokens"),
    gettext_noop("conversation"),
    gettext_noop("conversation id"),
    gettext_noop("corrects"),
    gettext_noop("cost"),
    gettext_noop("created"),
    gettext_noop("created at"),
    gettext_noop("currency"),
    gettext_noop("daily usage"),
    gettext_noop("date joined"),
    gettext_noop("day"),
    gettext_noop("default"),
    gettext_noop("description"),
    gettext_noop("digest"),
    gettext_noop("duration (ms)"),
    gettext_noop("duration ms"),
    gettext_noop("effective from"),
    gettext_noop("emoji"),
    gettext_noop("enabled"),
    gettext_noop("estimated"),
    gettext_noop("estimated calls"),
    gettext_noop("expires at"),
    gettext_noop("expiry"),
    gettext_noop("failure"),
    gettext_noop("failures"),
    gettext_noop("first tokens"),
    gettext_noop("ID"),
    gettext_noop("input"),
    gettext_noop("input price"),
    gettext_noop("kind"),
    gettext_noop("last used at"),
    gettext_noop("links without sign-in"),
    gettext_noop("mail warnings"),
    gettext_noop("MCP server"),
    gettext_noop("MCP servers"),
    gettext_noop("message id"),
    gettext_noop("model"),
    gettext_noop("model answered"),
    gettext_noop("model asked"),
    gettext_noop("models"),
    gettext_noop("name"),
    gettext_noop("note"),
    gettext_noop("output"),
    gettext_noop("output price"),
    gettext_noop("people"),
    gettext_noop("period"),
    gettext_noop("position"),
    gettext_noop("price rule"),
    gettext_noop("price rules"),
    gettext_noop("prompt tokens"),
    gettext_noop("provider"),
    gettext_noop("providers"),
    gettext_noop("published"),
    gettext_noop("purge archived after days"),
    gettext_noop("reasoning"),
    gettext_noop("reasoning price"),
    gettext_noop("reasoning tokens"),
    gettext_noop("reindex from"),
    gettext_noop("revision"),
    gettext_noop("role"),
    gettext_noop("roles"),
    gettext_noop("scope"),
    gettext_noop("search language"),
    gettext_noop("share"),
    gettext_noop("sharing event"),
    gettext_noop("sharing events"),
    gettext_noop("slug"),
    gettext_noop("starter questions"),
    gettext_noop("status"),
    gettext_noop("subject"),
    gettext_noop("switched off"),
    gettext_noop("time to first token (ms)"),
    gettext_noop("time zone"),
    gettext_noop("timeout"),
    gettext_noop("title model"),
    gettext_noop("token key"),
    gettext_noop("tokens"),
    gettext_noop("tools found"),
    gettext_noop("total tokens"),
    gettext_noop("ttft ms"),
    gettext_noop("turn id"),
    gettext_noop("turns a minute, each API key"),
    gettext_noop("turns a minute, each person"),
    gettext_noop("turns a minute, everybody together"),
    gettext_noop("unpriced tokens"),
    gettext_noop("updated at"),
    gettext_noop("URL"),
    gettext_noop("US dollars"),
    gettext_noop("usage record"),
    gettext_noop("usage records"),
    gettext_noop("usage settings"),
    gettext_noop("user"),
    gettext_noop("users"),
    gettext_noop("visibility"),
    gettext_noop("with"),
)


def translate_names() -> None:
    """Once, when all models are loaded."""
    with translation.override("en"):  # as the code has them
        for label in _APPS:
            for model in apps.get_app_config(label).get_models():
                meta = model._meta
                meta.verbose_name = gettext_lazy(str(meta.verbose_name))
                meta.verbose_name_plural = gettext_lazy(str(meta.verbose_name_plural))
                for field in (*meta.fields, *meta.many_to_many):
                    field.verbose_name = gettext_lazy(str(field.verbose_name))
