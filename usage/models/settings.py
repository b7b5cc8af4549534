"""How a tenant counts, and how fast it lets people ask."""

from __future__ import annotations

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import connection, models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


def check_time_zone(name: str) -> None:
    """Known to Python, which shows times, and to PostgreSQL, which counts days."""
    if name in available_timezones():
        with connection.cursor() as cursor:
            known = "SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s)"
            cursor.execute(known, [name])
            if cursor.fetchone()[0]:
                return
    raise ValidationError(
        gettext("Give the name of a time zone, for example Europe/Berlin.")
    )


def _limit(name: str) -> models.PositiveIntegerField[int | None, int | None]:
    return models.PositiveIntegerField(
        name,
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: no limit."),
    )


class UsageSettings(models.Model):
    """At most one row; without it the defaults hold."""

    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[check_time_zone],
        help_text=_("In which days and months begin, for sums and for budgets."),
    )
    alert_mail = models.BooleanField(
        "mail warnings",
        default=True,
        help_text=_("Tell people by mail when 80 % and 100 % of a budget are used."),
    )
    user_turns_per_minute = _limit("turns a minute, each person")
    key_turns_per_minute = _limit("turns a minute, each API key")
    tenant_turns_per_minute = _limit("turns a minute, everybody together")
    user_streams = _limit("answers at once, each person")
    tenant_streams = _limit("answers at once, everybody together")

    class Meta:
        verbose_name = verbose_name_plural = "usage settings"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="usage_settings_once")
        ]

    def __str__(self) -> str:
        return gettext("Limits and warnings")

    @classmethod
    def current(cls) -> UsageSettings:
        """The row, or the defaults."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


class RateCounter(models.Model):
    """When somebody who asked at the allowed rate would be through with what they have
    asked; see services.rates. Unlogged: a crash forgets it."""

    scope = models.CharField(max_length=6)
    subject_id = models.BigIntegerField()
    free_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "subject_id"], name="rate_counter_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject_id}"
