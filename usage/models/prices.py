"""What a tenant says models cost, over LiteLLM's list of prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
)
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

PATTERN = RegexValidator(
    r"\A[^\s\x00-\x1f]{1,201}\Z",
    _(
        "Write <provider name>/<model>, for example openai/gpt-4o; * stands for "
        "anything."
    ),
)
# A dollar a token: whatever 2**31 tokens cost still fits the ledger.
_MOST = Decimal(1_000_000)


def _price(name: str, **options: Any) -> models.DecimalField[Any, Any]:
    return models.DecimalField(
        name,
        max_digits=20,
        decimal_places=10,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(_MOST)],
        **options,
    )


class PriceRule(models.Model):
    """US dollars a million tokens, for the models that `model` matches, from a moment
    on. Of several rules the most specific one holds, then the newest; what was recorded
    keeps the price it had."""

    model = models.CharField(
        max_length=201,
        validators=[PATTERN],
        help_text=(
            _(
                "The provider's name, a slash and the model; * stands for anything: "
                "openai/gpt-4o* or *. "
                "The most specific rule holds, and of equal ones the newest."
            )
        ),
    )
    input_per_million = _price("input", help_text=_("US dollars a million tokens."))
    cached_input_per_million = _price(
        "cached input",
        null=True,
        blank=True,
        help_text=_("Of the prompt, read from the provider's cache. Empty: as input."),
    )
    output_per_million = _price("output", help_text=_("US dollars a million tokens."))
    reasoning_per_million = _price(
        "reasoning",
        null=True,
        blank=True,
        help_text=_("Thought and not said. Empty: as output."),
    )
    effective_from = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["model", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "effective_from"], name="price_rule_once"
            )
        ]

    def __str__(self) -> str:
        return gettext("%(model)s from %(day)s") % {
            "model": self.model,
            "day": f"{self.effective_from:%Y-%m-%d}",
        }
