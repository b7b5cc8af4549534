"""Providers: their form, and pages for their keys, a test and their models."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _

from agents import asking, services
from agents.admin.pages import KeptWhileUsed, admin_of, page, row, said
from agents.draining import versions_of
from agents.forms import ProviderForm
from agents.models import Credential, Provider
from llm.errors import LLMError
from llm.lanes import Lanes
from tenants.adminsite import page_button


@admin.register(Provider)
class ProviderAdmin(KeptWhileUsed[Provider]):
    form = ProviderForm
    when_empty = _("Agents answer with models of a provider. Add one, with its key.")
    list_display = ["name", "kind", "base_url", "lane", "enabled", "key"]
    list_filter = ["enabled", "kind"]
    search_fields = ["name", "base_url"]
    fieldsets = [
        (None, {"fields": ["name", "kind", "base_url", "lane", "enabled"]}),
        (_("Models"), {"fields": ["models", "disabled_models"]}),
        (_("Key"), {"fields": ["key", "api_key", "remove_key"]}),
    ]
    readonly_fields = ["key", "lane"]
    actions = None  # deleted one at a time: some of many may be in use
    actions_detail = ["check_page", "models_page", "keys_page"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return Provider.objects.with_key_age().order_by("name")

    @admin.display(description=_("key"), empty_value="-")
    def key(self, provider: Provider) -> str | None:
        """Never the key itself."""
        since = getattr(provider, "key_updated_at", None)
        if since is None:
            return None
        return gettext("set on %(moment)s") % {"moment": f"{since:%Y-%m-%d %H:%M} UTC"}

    @admin.display(description=_("lane"))
    def lane(self, provider: Provider) -> str | None:
        """Of the kind, as llm.lanes and the operator's settings have it."""
        if not provider.kind:
            return None
        return gettext(Lanes(settings.LLM_LANES).of(provider.kind).label)

    @page_button(_("Test"), path="check", icon="network_check")
    def check_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks for one token and says in words what is wrong."""
        provider = row(self, request, object_id)
        model = request.POST.get("model", "").strip()
        tested: asking.Tested | None = None
        problem = ""
        if request.method == "POST":
            try:
                tested = asking.check_provider(
                    _with_key(provider), model, user=admin_of(request)
                )
            except ValidationError as error:
                problem = said(error)
        return page(
            self,
            request,
            provider,
            "agents/provider_check.html",
            title=gettext("Test %(name)s") % {"name": provider.name},
            tested=tested,
            problem=problem,
            model=model or next(iter(provider.model_names), ""),
        )

    @page_button(_("Models"), path="models", icon="list")
    def models_page(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """What there is, to be offered and switched off by ticking."""
        provider = _with_key(row(self, request, object_id))
        if request.method == "POST":
            offered = request.POST.getlist("offered")
            off = request.POST.getlist("off")
            try:
                services.update_provider(
                    provider=provider, models=offered, disabled_models=off
                )
            except ValidationError as error:
                messages.error(request, said(error))
            else:
                self.log_change(
                    request, provider, [{"changed": {"fields": ["models"]}}]
                )
                text = ngettext(
                    "%(number)d model is offered now.",
                    "%(number)d models are offered now.",
                    len(offered),
                )
                messages.success(request, text % {"number": len(offered)})
                return HttpResponseRedirect(request.path)
            # Shown again as it was ticked.
            provider.model_names, provider.disabled_models = offered, off
        found: list[asking.ModelFacts] = []
        problem = ""
        try:
            found = asking.models_of(provider)
        except LLMError as error:
            problem = gettext(error.text)
        return page(
            self,
            request,
            provider,
            "agents/provider_models.html",
            title=gettext("Models of %(name)s") % {"name": provider.name},
            models=found,
            known={model.name for model in found},
            problem=problem,
        )

    @page_button(_("Keys"), path="keys", icon="key")
    def keys_page(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Rotate, watch the old versions drain, revoke."""
        provider = row(self, request, object_id)
        if request.method == "POST":
            self._change_key(request, provider)
            return HttpResponseRedirect(request.path)
        return page(
            self,
            request,
            provider,
            "agents/provider_keys.html",
            title=gettext("Keys of %(name)s") % {"name": provider.name},
            versions=versions_of(provider),
        )

    def _change_key(self, request: HttpRequest, provider: Provider) -> None:
        if "revoke" in request.POST:
            for credential in provider.credentials.active():
                if str(credential.version) == request.POST["revoke"]:
                    services.revoke_credential(credential=credential)
                    done = gettext("Version %(number)d is revoked.") % {
                        "number": credential.version
                    }
                    self._log_key(request, provider, "deleted", credential)
                    messages.success(request, done)
            return
        try:
            made = services.set_provider_key(
                provider=provider, api_key=request.POST.get("api_key", "")
            )
        except ValidationError as error:
            messages.error(request, said(error))
            return
        done = gettext("Version %(number)d is what new answers take.") % {
            "number": made.version
        }
        self._log_key(request, provider, "added", made)
        messages.success(request, done)

    def _log_key(
        self, request: HttpRequest, provider: Provider, what: str, key: Credential
    ) -> None:
        """Told in the language of whoever reads the history, by Django."""
        told = {"name": gettext_noop("key"), "object": str(key.version)}
        self.log_change(request, provider, [{what: told}])

    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        services.delete_provider(provider=obj)

    def save_model(
        self, request: HttpRequest, obj: Provider, form: Any, change: bool
    ) -> None:
        """The form has saved it."""


def _with_key(provider: Provider) -> Provider:
    return Provider.objects.with_ciphertext().get(pk=provider.pk)
