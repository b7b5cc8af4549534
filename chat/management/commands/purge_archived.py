"""purge_archived [--tenant SLUG]"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from chat.housekeeping import purge_and_tell
from chat.management.commands.reindex_search import chosen
from chat.services.retention import BATCH
from tenants.db import entered


class Command(BaseCommand):
    help = (
        "Remove conversations that were archived longer ago than their tenant keeps "
        "them, for all active tenants or for one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG")

    def handle(self, *args: Any, **options: Any) -> None:
        removed = 0
        for target in chosen(options["tenant"]):
            with entered(target):
                while count := purge_and_tell():
                    removed += count
                    if count < BATCH:
                        break
        self.stdout.write(f"{removed} archived conversations removed.")
