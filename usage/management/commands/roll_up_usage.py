"""roll_up_usage [--tenant SLUG] [--check]: the roll-ups from the ledger."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.db import PUBLIC, entered
from tenants.models import Tenant
from usage.services.rebuilding import differences, rebuild

_SHOWN = 20


class Command(BaseCommand):
    help = "Make the sums of usage again from the ledger, and prove that they agree."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="one tenant; else all")
        parser.add_argument(
            "--check", action="store_true", help="compare only, change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with entered(PUBLIC):
            tenants = Tenant.objects.order_by("slug")
            if options["tenant"] is not None:
                tenants = tenants.filter(slug=options["tenant"])
            chosen = list(tenants)
        if options["tenant"] is not None and not chosen:
            raise CommandError(f"There is no tenant “{options['tenant']}”.")
        wrong = sum(self._roll_up(tenant, options["check"]) for tenant in chosen)
        if wrong:
            raise CommandError(f"Roll-ups and ledger differ in {wrong} places.")

    def _roll_up(self, tenant: Tenant, only_check: bool) -> int:
        """How many differences there are (left)."""
        with entered(tenant.scope):
            days = None if only_check else rebuild()
            found = differences()
        for difference in found[:_SHOWN]:
            self.stderr.write(f"{tenant.slug} {difference.day}: {difference.what}")
        if not found:
            done = "" if days is None else f"{days} days made again, "
            self.stdout.write(f"{tenant.slug}: {done}equal to the ledger")
        return len(found)
