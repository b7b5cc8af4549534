"""The ledger. It names conversations and messages by id only and holds no key to
them: it must outlive what it counted."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models

from agents.models import Agent


class LedgerQuerySet(models.QuerySet["UsageRecord"]):
    """Reads only: nothing in bulk either."""

    def update(self, **changes: Any) -> NoReturn:
        raise TypeError("Usage records are append-only; write a correction.")

    def delete(self) -> NoReturn:
        raise TypeError("Usage records are never deleted.")


class UsageRecord(models.Model):
    """One call to a provider. Append-only: a correction is a new row."""

    class Status(models.TextChoices):
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"
        INTERRUPTED = "interrupted", "Interrupted"

    # Without constraints in the database: who and what was charged stays readable
    # after the person or the agent is gone.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    agent = models.ForeignKey(
        Agent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    model = models.CharField(max_length=201)
    conversation_id = models.CharField(max_length=64)
    message_id = models.CharField(max_length=64)
    turn_id = models.CharField(max_length=64, unique=True)
    prompt_tokens = models.PositiveIntegerField()
    cached_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField()
    reasoning_tokens = models.PositiveIntegerField(default=0)
    total_tokens = models.PositiveIntegerField()
    cost = models.DecimalField(
        max_digits=20,
        decimal_places=10,
        null=True,
        help_text="Empty where the model has no known price.",
    )
    currency = models.CharField(max_length=3, default="USD")
    estimated = models.BooleanField(
        help_text="Counted by us because the provider did not say."
    )
    status = models.CharField(max_length=12, choices=Status.choices)
    ttft_ms = models.PositiveIntegerField("time to first token (ms)", null=True)
    duration_ms = models.PositiveIntegerField("duration (ms)")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[LedgerQuerySet] = LedgerQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the queryset's verbs

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["created_at"], name="usage_by_time"),
            models.Index(fields=["user", "created_at"], name="usage_by_user_time"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.total_tokens} tokens"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Usage records are append-only; write a correction.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Usage records are never deleted.")
