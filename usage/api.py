"""The API's usage: sums, the ledger, budgets, prices and statements."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils import translation
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from accounts.api import person
from accounts.permissions import IsAdmin
from accounts.preferences import language_for
from tenants.db import scope
from usage.exporting import export_response
from usage.models import Budget, PriceRule, UsageRecord, UsageSettings
from usage.periods import asked_month, asked_span, today
from usage.pricing import CURRENCY
from usage.querysets import BudgetQuerySet, LedgerQuerySet
from usage.serializers import (
    BudgetSerializer,
    BudgetWriteSerializer,
    PriceSerializer,
    RecordSerializer,
    SettingsSerializer,
    SummarySerializer,
)
from usage.services.budgets import delete_budget, save_budget
from usage.services.settings import save_settings
from usage.statements import statement_response
from usage.summaries import GROUPS, Group, Used, summarise

_DAYS = [
    OpenApiParameter(name, OpenApiTypes.DATE, description="YYYY-MM-DD")
    for name in ("from", "to")
]


class OwnFormat(DefaultContentNegotiation):
    """For addresses whose `format` is a parameter like others."""

    def filter_renderers(
        self, renderers: Iterable[BaseRenderer], format: str | None
    ) -> list[BaseRenderer]:
        return list(renderers)


class SummaryView(APIView):
    """What was used: by members themselves, for admins by everybody."""

    @extend_schema(
        parameters=[*_DAYS, OpenApiParameter("group_by", str, enum=GROUPS)],
        responses=SummarySerializer,
    )
    def get(self, request: Request) -> Response:
        """Days of the workspace's time zone; this month so far where none are given."""
        span = asked_span(_asked(request, "from"), _asked(request, "to"))
        group: Group = _choice(request, "group_by", GROUPS) or "day"
        used = Used.visible_to(person(request), span.first, span.last)
        totals, results = summarise(used, group)
        summary = {
            "from": span.first,
            "to": span.last,
            "time_zone": span.zone.key,
            "group_by": group,
            "currency": CURRENCY,
            "totals": totals,
            "results": results,
        }
        return Response(SummarySerializer(summary).data)


class RecordListView(generics.ListAPIView[UsageRecord]):
    """The ledger, newest first; as a file oldest first."""

    serializer_class = RecordSerializer
    content_negotiation_class = OwnFormat

    def get_queryset(self) -> LedgerQuerySet:
        if getattr(self, "swagger_fake_view", False):  # drawn for the schema by nobody
            return UsageRecord.objects.none()
        return _filtered(UsageRecord.objects.visible_to(person(self.request)), self)

    @extend_schema(
        parameters=[
            *_DAYS,
            *(OpenApiParameter(name, str) for name in ("user_id", "agent_id")),
            *(OpenApiParameter(name, str) for name in ("api_key_id", "model")),
            OpenApiParameter("kind", str, enum=UsageRecord.Kind.values),
            OpenApiParameter("status", str, enum=UsageRecord.Status.values),
            OpenApiParameter("format", str, enum=["csv", "json"]),
        ],
        responses={
            (200, "application/json"): RecordSerializer(many=True),
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]  # a download is no Response of DRF's
        """With `format` all of them as a download, else a page."""
        form = _choice(request, "format", ("csv", "json"))
        if form is None:
            return super().get(request, *args, **kwargs)
        span = asked_span(_asked(request, "from"), _asked(request, "to"))
        name = f"usage-{scope().slug}-{span.first}-{span.last}"
        records = self.get_queryset().between(span.start, span.end)
        return export_response(scope(), records, form, name)


def _filtered(records: LedgerQuerySet, view: RecordListView) -> LedgerQuerySet:
    request = view.request
    first, last = _asked(request, "from"), _asked(request, "to")
    if first is not None or last is not None:
        span = asked_span(first, last)
        records = records.between(span.start, span.end)
    for name in ("user_id", "agent_id", "api_key_id"):
        if (text := _asked(request, name)) is not None:
            records = records.filter(**{name: _id(name, text)})
    if (model := _asked(request, "model")) is not None:
        records = records.filter(model=model)
    for name, values in (
        ("kind", UsageRecord.Kind.values),
        ("status", UsageRecord.Status.values),
    ):
        if (value := _choice(request, name, tuple(values))) is not None:
            records = records.filter(**{name: value})
    return records


class BudgetListView(generics.ListCreateAPIView[Budget]):
    serializer_class = BudgetSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Budget]:
        return _budgets().order_by("scope", "subject_id", "period")

    @extend_schema(request=BudgetWriteSerializer, responses={201: BudgetSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All budgets that apply to a turn hold; one of a kind for each subject."""
        asked = BudgetWriteSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made = save_budget(budget=Budget(), **asked.validated_data)
        return _shown(made, status.HTTP_201_CREATED)


class BudgetView(generics.GenericAPIView[Budget]):
    serializer_class = BudgetSerializer
    permission_classes = [IsAdmin]

    def get_queryset(self) -> QuerySet[Budget]:
        return _budgets()

    def get(self, request: Request, pk: int) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=BudgetWriteSerializer)
    def put(self, request: Request, pk: int) -> Response:
        return self._change(request, partial=False)

    @extend_schema(request=BudgetWriteSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        """Its limits can change, and hold from the next turn on."""
        return self._change(request, partial=True)

    def delete(self, request: Request, pk: int) -> Response:
        delete_budget(budget=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _change(self, request: Request, *, partial: bool) -> Response:
        budget = self.get_object()
        asked = BudgetWriteSerializer(data=request.data, partial=partial)
        asked.is_valid(raise_exception=True)
        return _shown(save_budget(budget=budget, **asked.validated_data))


class PriceListView(generics.ListCreateAPIView[PriceRule]):
    """The workspace's own prices; where none matches a model LiteLLM's list holds."""

    serializer_class = PriceSerializer
    permission_classes = [IsAdmin]
    queryset = PriceRule.objects.order_by("model", "-effective_from")

    def perform_create(self, serializer: BaseSerializer[PriceRule]) -> None:
        _save_price(serializer)


class PriceView(generics.RetrieveUpdateDestroyAPIView[PriceRule]):
    """What was recorded keeps the price it had, whatever changes here."""

    serializer_class = PriceSerializer
    permission_classes = [IsAdmin]
    queryset = PriceRule.objects.all()

    def perform_update(self, serializer: BaseSerializer[PriceRule]) -> None:
        _save_price(serializer)


class StatementView(APIView):
    """What the workspace used in a month, to be billed by."""

    permission_classes = [IsAdmin]
    content_negotiation_class = OwnFormat

    @extend_schema(
        parameters=[
            OpenApiParameter("month", str, description="YYYY-MM"),
            OpenApiParameter("format", str, enum=["csv", "html", "pdf"]),
        ],
        responses={
            (200, "text/html"): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/pdf"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The current month where none is given. A PDF takes seconds; 503 where others
        print."""
        span = asked_month(_asked(request, "month"))
        form: Literal["csv", "html", "pdf"]
        form = _choice(request, "format", ("csv", "html", "pdf")) or "html"
        if form == "csv":
            return statement_response(scope(), span, form)
        with translation.override(language_for(request)):
            return statement_response(scope(), span, form)


def _save_price(serializer: BaseSerializer[PriceRule]) -> None:
    try:
        with transaction.atomic():
            serializer.save()
    except IntegrityError as error:  # somebody else was faster
        message = "There is a price of this model from that moment on already."
        raise ValidationError({"effective_from": [message]}) from error


def _budgets() -> BudgetQuerySet:
    return Budget.objects.with_current_period(today().first)


def _shown(budget: Budget, code: int = status.HTTP_200_OK) -> Response:
    """Read again, for what is used of it."""
    return Response(BudgetSerializer(_budgets().get(pk=budget.pk)).data, status=code)


def _asked(request: Request, name: str) -> str | None:
    """A parameter that PostgreSQL can take."""
    text = request.query_params.get(name)
    if text is not None and ("\x00" in text or not text.isprintable()):
        raise ValidationError({name: ["Use printable characters only."]})
    return text


def _choice(request: Request, name: str, choices: tuple[Any, ...]) -> Any:
    """One of the choices, None where nothing is asked."""
    text = _asked(request, name)
    if text is not None and text not in choices:
        raise ValidationError({name: [f"Give one of {', '.join(choices)}."]})
    return text


def _id(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ValidationError({name: ["Give an id."]})
    return int(text)


class SettingsView(generics.GenericAPIView[UsageSettings]):
    """In which days and months the workspace counts, and how fast it may be asked."""

    serializer_class = SettingsSerializer
    permission_classes = [IsAdmin]

    def get(self, request: Request) -> Response:
        return Response(self.get_serializer(UsageSettings.current()).data)

    def patch(self, request: Request) -> Response:
        current = UsageSettings.current()
        asked = self.get_serializer(current, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        for name, value in asked.validated_data.items():
            setattr(current, name, value)
        with transaction.atomic():
            save_settings(settings=current)
        return self.get(request)
