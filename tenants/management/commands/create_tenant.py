"""create_tenant SLUG [--name N] [--domain D] --owner EMAIL [--password-stdin]"""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.services import create_tenant


class Command(BaseCommand):
    help = "Make a tenant: its schema, its domain and its owner."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", default="", help="As people see it.")
        parser.add_argument("--domain", default="", help="Default: SLUG.localhost.")
        parser.add_argument("--owner", required=True, metavar="EMAIL")
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="Read the owner's password from the first line of standard input.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = None
        if options["password_stdin"]:
            password = sys.stdin.readline().rstrip("\n")
        try:
            tenant = create_tenant(
                slug=options["slug"],
                name=options["name"],
                domain=options["domain"],
                owner_email=options["owner"],
                owner_password=password,
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        domain = options["domain"] or f"{tenant.slug}.localhost"
        self.stdout.write(f"Tenant {tenant.slug} is ready at {domain}.")
