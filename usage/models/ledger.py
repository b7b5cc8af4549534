"""The ledger. It names conversations and messages by id only and holds no key to
them: it must outlive what it counted. A trigger of the third migration refuses what
would change or remove a row, whoever asks."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey
from agents.models import Agent
from usage.querysets import LedgerQuerySet

# Tokens of each sort, in the order of every sum.
TOKENS = (
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "total_tokens",
)


def _unit_price(name: str) -> models.DecimalField[Any, Any]:
    return models.DecimalField(
        name,
        max_digits=20,
        decimal_places=10,
        null=True,
        help_text=_(
            "US dollars a million tokens as it was then; empty: no known price."
        ),
    )


class UsageRecord(models.Model):
    """One call to a provider. Append-only: a correction is a new row of the same turn
    whose counts and cost are added to the others' and may be negative."""

    class Status(models.TextChoices):
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")

    class Kind(models.TextChoices):
        """What the call was for; all but replies and corrections are our own."""

        REPLY = "reply", _("Reply")
        TITLE = "title", _("Title")
        TRY = "try", _("Trying an agent")
        TEST = "test", _("Testing a provider")
        CORRECTION = "correction", _("Correction")

    # Without constraints in the database: who and what was charged stays readable
    # after the person, the agent or the key is gone.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    agent = models.ForeignKey(
        Agent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        help_text=_("Empty for calls that no agent makes."),
    )
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name="API key",
        help_text=_("The key the person used; empty for the pages."),
    )
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.REPLY)
    model = models.CharField("model asked", max_length=201)
    model_answered = models.CharField(
        max_length=201, blank=True, help_text=_("The name the provider itself gave.")
    )
    # Empty where no conversation is concerned; a turn's id is then one of its own.
    conversation_id = models.CharField(max_length=64, blank=True)
    message_id = models.CharField(max_length=64, blank=True)
    turn_id = models.CharField(max_length=64)
    call = models.PositiveSmallIntegerField(
        default=0, help_text=_("Which of the turn's calls of this kind, from 0.")
    )
    prompt_tokens = models.IntegerField()
    cached_tokens = models.IntegerField(default=0)
    completion_tokens = models.IntegerField()
    reasoning_tokens = models.IntegerField(default=0)
    total_tokens = models.IntegerField()
    input_price = _unit_price("input price")
    cached_input_price = _unit_price("cached input price")
    output_price = _unit_price("output price")
    reasoning_price = _unit_price("reasoning price")
    cost = models.DecimalField(
        max_digits=20,
        decimal_places=10,
        null=True,
        help_text=_("Empty where the model has no known price."),
    )
    currency = models.CharField(max_length=3, default="USD")
    estimated = models.BooleanField(
        help_text=_("Counted by us because the provider did not say.")
    )
    status = models.CharField(max_length=12, choices=Status.choices)
    ttft_ms = models.PositiveIntegerField("time to first token (ms)", null=True)
    duration_ms = models.PositiveIntegerField("duration (ms)")
    corrects = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="corrections",
        help_text=_("The call that a correction is added to."),
    )
    note = models.CharField(
        max_length=200, blank=True, help_text=_("Why a correction was made.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[LedgerQuerySet] = LedgerQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the queryset's verbs

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["created_at", "id"], name="usage_by_time"),
            models.Index(fields=["user", "created_at", "id"], name="usage_by_user"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["turn_id", "kind", "call"], name="usage_call_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="correction")
                | Q(**{f"{name}__gte": 0 for name in TOKENS}),
                name="usage_negative_corrects",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.created_at:%Y-%m-%d %H:%M} UTC"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Usage records are append-only; write a correction.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Usage records are never deleted.")
