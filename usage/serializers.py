"""Shapes of records, sums, budgets and prices. Ids are text, money is exact text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from usage.models import Budget, PriceRule, UsageRecord, UsageSettings
from usage.pricing import CURRENCY
from usage.summaries import GROUPS


class Money(serializers.DecimalField):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=24, decimal_places=10, normalize_output=True, **options
        )


class RecordSerializer(serializers.ModelSerializer[UsageRecord]):
    id = serializers.CharField()
    user_id = serializers.CharField()
    agent_id = serializers.CharField(allow_null=True)
    api_key_id = serializers.CharField(allow_null=True)
    cost = Money(allow_null=True)

    class Meta:
        model = UsageRecord
        fields = [
            "id",
            "created_at",
            "user_id",
            "agent_id",
            "api_key_id",
            "kind",
            "model",
            "model_answered",
            "conversation_id",
            "message_id",
            "turn_id",
            "call",
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
            "reasoning_tokens",
            "total_tokens",
            "cost",
            "currency",
            "estimated",
            "status",
            "ttft_ms",
            "duration_ms",
            "note",
        ]
        read_only_fields = fields


class SumsSerializer(serializers.Serializer[dict[str, Any]]):
    calls = serializers.IntegerField()
    failures = serializers.IntegerField()
    estimated_calls = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    unpriced_tokens = serializers.IntegerField(
        help_text="Part of the total that no price is known for: not in the cost."
    )
    cost = Money()
    ttft_ms_avg = serializers.IntegerField(allow_null=True)
    duration_ms_avg = serializers.IntegerField(allow_null=True)


class GroupSerializer(SumsSerializer):
    key = serializers.CharField(allow_null=True)
    label = serializers.CharField()  # type: ignore[assignment]  # of the same name as DRF's own, which is of no use in a list


class SummarySerializer(serializers.Serializer[dict[str, Any]]):
    """`from` and `to` are days of the time zone, both included."""

    time_zone = serializers.CharField()
    currency = serializers.ChoiceField([CURRENCY])
    group_by = serializers.ChoiceField(GROUPS)
    totals = SumsSerializer()
    results = GroupSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is no name in Python."""
        days = {name: serializers.DateField() for name in ("from", "to")}
        return {**days, **super().get_fields()}


class BudgetSerializer(serializers.ModelSerializer[Budget]):
    """What has been used of the current period, and held back for running turns; zero
    before its first turn. Needs the rows of BudgetQuerySet.with_current_period."""

    id = serializers.CharField()
    subject_id = serializers.CharField(allow_null=True)
    limit_cost = Money(allow_null=True)
    spent_tokens = serializers.IntegerField(source="period_spent_tokens")
    spent_cost = Money(source="period_spent_cost")
    reserved_tokens = serializers.IntegerField(source="period_reserved_tokens")
    reserved_cost = Money(source="period_reserved_cost")

    class Meta:
        model = Budget
        fields = [
            "id",
            "scope",
            "subject_id",
            "period",
            "limit_tokens",
            "limit_cost",
            "spent_tokens",
            "spent_cost",
            "reserved_tokens",
            "reserved_cost",
        ]
        read_only_fields = fields


class SubjectField(serializers.IntegerField):
    """An id, as text or as a number."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class BudgetWriteSerializer(serializers.Serializer[Budget]):
    """At least one limit; `subject_id` for all scopes but tenant."""

    scope = serializers.ChoiceField(Budget.Scope.choices)
    subject_id = SubjectField(
        min_value=1, max_value=2**63 - 1, allow_null=True, required=False
    )
    period = serializers.ChoiceField(Budget.Period.choices)
    limit_tokens = serializers.IntegerField(
        min_value=0, max_value=2**62, allow_null=True, required=False
    )
    limit_cost = serializers.DecimalField(
        max_digits=20,
        decimal_places=10,
        min_value=Decimal(0),
        allow_null=True,
        required=False,
    )


class PriceSerializer(serializers.ModelSerializer[PriceRule]):
    """US dollars a million tokens; `model` may hold `*` for anything."""

    id = serializers.CharField(read_only=True)

    class Meta:
        model = PriceRule
        fields = [
            "id",
            "model",
            "input_per_million",
            "cached_input_per_million",
            "output_per_million",
            "reasoning_per_million",
            "effective_from",
        ]
        extra_kwargs = {
            name: {"normalize_output": True}
            for name in (
                "input_per_million",
                "cached_input_per_million",
                "output_per_million",
                "reasoning_per_million",
            )
        }


class SettingsSerializer(serializers.ModelSerializer[UsageSettings]):
    """Null is no limit."""

    class Meta:
        model = UsageSettings
        exclude = ["id"]
