"""The chat settings in the tenant's admin: one form, no list."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from agents.models import Provider
from chat.models import ChatSettings
from chat.services.indexing import languages, set_language
from tenants.adminsite import ModelAdmin


class ChatSettingsForm(forms.ModelForm[ChatSettings]):
    search_language = forms.ChoiceField(
        label=_("Search language"),
        widget=UnfoldAdminSelectWidget,
        help_text=ChatSettings._meta.get_field("search_language").help_text,
    )

    class Meta:
        model = ChatSettings
        fields = [
            "search_language",
            "title_model",
            "purge_archived_after_days",
            "link_shares",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(name, name.capitalize()) for name in languages()]
        self.fields["search_language"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField

    def clean_title_model(self) -> str:
        model: str = self.cleaned_data["title_model"]
        if model and not Provider.objects.offers(model):
            raise forms.ValidationError(
                gettext("No enabled provider here offers that model.")
            )
        return model


@admin.register(ChatSettings)
class ChatSettingsAdmin(ModelAdmin[ChatSettings]):
    form = ChatSettingsForm
    readonly_fields = ["search_index"]
    fields = [*ChatSettingsForm.Meta.fields, "search_index"]

    @admin.display(description=_("search index"))
    def search_index(self, settings: ChatSettings) -> str:
        """Whether older texts are in the language chosen last."""
        if settings.reindex_from is None:
            return gettext("complete")
        return gettext("being written anew; until then some older texts are not found")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("admin:chat_chatsettings_change", ChatSettings.current().pk)

    def save_model(
        self, request: HttpRequest, obj: ChatSettings, form: Any, change: bool
    ) -> None:
        # Only what was changed here: the housekeeper may be moving reindex_from on.
        rest = [name for name in form.changed_data if name != "search_language"]
        if rest:
            obj.save(update_fields=rest)
        if "search_language" in form.changed_data:
            set_language(obj.search_language)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: ChatSettings | None = None
    ) -> bool:
        return False
