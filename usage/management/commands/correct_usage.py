"""correct_usage --tenant SLUG RECORD …: a correction of the ledger."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.db import entered
from tenants.models import Tenant
from tenants.services import tenant_by_slug
from usage.models import UsageRecord
from usage.services import record_correction

_COUNTS = (
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
)


class Command(BaseCommand):
    help = "Add a row that corrects a record of usage; the record itself stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("record", type=int, help="the record's id")
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--note", required=True, help="why")
        for name in _COUNTS:
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, type=int, default=0, metavar="DIFFERENCE")
        parser.add_argument("--cost", metavar="DIFFERENCE", help="in US dollars")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cost = None if options["cost"] is None else Decimal(options["cost"])
            with entered(tenant_by_slug(options["tenant"]).scope):
                made = record_correction(
                    record=UsageRecord.objects.get(pk=options["record"]),
                    note=options["note"],
                    cost=cost,
                    **{name: options[name] for name in _COUNTS},
                )
        except Tenant.DoesNotExist as error:
            raise CommandError(f"There is no tenant “{options['tenant']}”.") from error
        except UsageRecord.DoesNotExist as error:
            raise CommandError("There is no such record.") from error
        except InvalidOperation as error:
            raise CommandError("Give the cost as a number of dollars.") from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{made.pk}: {made.total_tokens:+} tokens, cost {made.cost}")
