"""create_api_key --tenant SLUG --user EMAIL [--name N]"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import create_api_key
from tenants.db import entered
from tenants.models import Tenant
from tenants.services import tenant_by_slug


class Command(BaseCommand):
    help = "Make an API key; prints the key and nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--user", required=True, metavar="EMAIL")
        parser.add_argument("--name", default="", help="To tell keys apart.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = tenant_by_slug(options["tenant"])
            with entered(tenant.scope):
                user = User.objects.get_by_natural_key(options["user"])
                _, secret = create_api_key(user=user, name=options["name"])
        except Tenant.DoesNotExist as error:
            raise CommandError(f"There is no tenant “{options['tenant']}”.") from error
        except User.DoesNotExist as error:
            raise CommandError(
                f"{options['user']} has no account in {options['tenant']}."
            ) from error
        self.stdout.write(secret)
