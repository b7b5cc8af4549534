"""rotate_credential_keys"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents.services import reencrypt_all
from tenants.db import PUBLIC, entered
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Encrypt all tenants' provider keys with the newest of CREDENTIAL_KEYS; the "
        "older ones can be removed afterwards. Safe to run twice, and while serving."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with entered(PUBLIC):
            scopes = [tenant.scope for tenant in Tenant.objects.order_by("pk")]
        changed = current = unreadable = 0
        for target in scopes:
            with entered(target):
                done = reencrypt_all()
            changed += done.changed
            current += done.current
            unreadable += done.unreadable
            if done.unreadable:
                self.stderr.write(f"{target.slug}: {done.unreadable} cannot be read.")
        if unreadable:
            raise CommandError(
                f"{unreadable} keys were made with a key that CREDENTIAL_KEYS lacks; "
                f"{changed} were encrypted anew."
            )
        self.stdout.write(f"{changed} encrypted anew, {current} were already.")
