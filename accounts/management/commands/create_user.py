"""create_user --tenant SLUG EMAIL [--role owner|admin|member] [--password-stdin]"""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import create_user
from tenants.db import entered
from tenants.models import Tenant
from tenants.services import tenant_by_slug


class Command(BaseCommand):
    help = "Make an account in a tenant."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument(
            "--role", choices=User.Role.values, default=User.Role.MEMBER
        )
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="Read the password from the first line of standard input.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = None
        if options["password_stdin"]:
            password = sys.stdin.readline().rstrip("\n")
        try:
            tenant = tenant_by_slug(options["tenant"])
            with entered(tenant.scope):
                user = create_user(
                    email=options["email"], password=password, role=options["role"]
                )
        except Tenant.DoesNotExist as error:
            raise CommandError(f"There is no tenant “{options['tenant']}”.") from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{user.email} joined {tenant.slug} as {user.role}.")
