"""What may be used up, and what has been of it in each period."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from usage.querysets import BudgetQuerySet


class Budget(models.Model):
    """A limit for the tenant, a person, an agent or an API key, in tokens, in US
    dollars, or both. All that apply to a turn hold, so the tightest wins."""

    class Scope(models.TextChoices):
        TENANT = "tenant", _("Everybody together")
        USER = "user", _("One person")
        AGENT = "agent", _("One agent")
        KEY = "key", _("One API key")

    class Period(models.TextChoices):
        DAY = "day", _("A day")
        MONTH = "month", _("A calendar month")

    scope = models.CharField(max_length=6, choices=Scope.choices)
    subject_id = models.BigIntegerField(
        "subject",
        null=True,
        blank=True,
        help_text=_(
            "The id of the person, agent or key; empty for everybody together."
        ),
    )
    period = models.CharField(max_length=5, choices=Period.choices)
    limit_tokens = models.BigIntegerField(
        "tokens",
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Of prompts and replies together. Empty: no limit in tokens."),
    )
    limit_cost = models.DecimalField(
        "US dollars",
        max_digits=20,
        decimal_places=10,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=(
            _(
                "Empty: no limit in money. "
                "Models without a known price do not count here."
            )
        ),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[BudgetQuerySet] = BudgetQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the queryset's verbs

    class Meta:
        ordering = ["scope", "subject_id", "period"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "subject_id", "period"],
                nulls_distinct=False,
                name="budget_once",
                violation_error_message=_("There is such a budget already."),
            ),
            models.CheckConstraint(
                condition=Q(scope="tenant", subject_id=None)
                | (~Q(scope="tenant") & Q(subject_id__isnull=False)),
                name="budget_subject",
                violation_error_message=_("Give a subject for all but the tenant."),
            ),
            models.CheckConstraint(
                condition=Q(limit_tokens__isnull=False) | Q(limit_cost__isnull=False),
                name="budget_limits_something",
                violation_error_message=_("Give a limit in tokens or in money."),
            ),
        ]

    def __str__(self) -> str:
        whose, period = self.get_scope_display(), self.get_period_display()
        return f"{whose}, {period[:1].lower()}{period[1:]}"


class BudgetPeriod(models.Model):
    """One day or month of a budget. `spent_*` are the roll-ups' sums, kept with them;
    `reserved_*` is what running turns may yet use."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="periods")
    start = models.DateField()
    spent_tokens = models.BigIntegerField()
    spent_cost = models.DecimalField(max_digits=24, decimal_places=10)
    reserved_tokens = models.BigIntegerField(default=0)
    reserved_cost = models.DecimalField(max_digits=24, decimal_places=10, default=0)
    warned_at_80 = models.DateTimeField(null=True)
    warned_at_100 = models.DateTimeField(null=True)
    # The highest of the two that was mailed, 0 for none.
    mailed_percent = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-start", "budget"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "start"], name="budget_period_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.start}"


class Reservation(models.Model):
    """What a running turn, or a call of our own, may use of one budget; gone when it
    ends. A turn is ended for a dead process; what has no turn lapses."""

    turn_id = models.CharField(max_length=64)
    period = models.ForeignKey(
        BudgetPeriod, on_delete=models.CASCADE, related_name="reservations"
    )
    tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=24, decimal_places=10)
    lapses_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["turn_id", "period"], name="reservation_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.turn_id} {self.tokens} tokens"
