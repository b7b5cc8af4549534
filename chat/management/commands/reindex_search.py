"""reindex_search [--tenant SLUG]"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from chat.housekeeping import active_tenants
from chat.services.indexing import reindex_some, start_over
from tenants.db import PUBLIC, Scope, entered
from tenants.models import Tenant
from tenants.services import tenant_by_slug


class Command(BaseCommand):
    help = "Write all texts' search columns anew, for all active tenants or for one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG")

    def handle(self, *args: Any, **options: Any) -> None:
        targets = chosen(options["tenant"])
        for target in targets:
            with entered(target):
                with transaction.atomic():
                    start_over()
                while reindex_some():
                    pass
        self.stdout.write(f"Search is written anew for {len(targets)} tenants.")


def chosen(slug: str | None) -> list[Scope]:
    """The scopes a command works in. Raises CommandError."""
    if slug is None:
        with entered(PUBLIC):
            return active_tenants()
    try:
        return [tenant_by_slug(slug).scope]
    except Tenant.DoesNotExist as error:
        raise CommandError(f"There is no tenant “{slug}”.") from error
