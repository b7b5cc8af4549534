"""What a tenant's admins choose for its conversations."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from agents.models import MODEL_ID


class ChatSettings(models.Model):
    """What a tenant's admins choose for its conversations; one row, always there."""

    search_language = models.CharField(
        max_length=63,
        default="simple",
        help_text=_(
            "Whose word endings and stop words search knows. “simple” knows none "
            "and suits every language, and several at once."
        ),
    )
    title_model = models.CharField(
        max_length=201,
        blank=True,
        validators=[MODEL_ID],
        help_text=_(
            "Makes a title after the first reply, for example openai/gpt-4o-mini."
            " Empty: the title is the first message, cut."
        ),
    )
    purge_archived_after_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
        help_text=_(
            "Archived conversations are removed for good after so many days. "
            "Empty: never."
        ),
    )
    link_shares = models.BooleanField(
        "links without sign-in",
        default=False,
        help_text=_(
            "Whoever has the link of a shared conversation may read it without "
            "signing in. Off: only people of this workspace may."
        ),
    )
    # Where writing the search columns anew has to go on: `<table>/<last id done>`;
    # null when they are all of `search_language`.
    reindex_from = models.CharField(max_length=100, null=True, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "chat settings"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="chat_settings_one_row")
        ]

    def __str__(self) -> str:
        return gettext("Chat settings")

    @classmethod
    def current(cls) -> ChatSettings:
        """Of the tenant in force; its migrations made the row."""
        return cls.objects.get()
