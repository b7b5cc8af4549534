"""create_platform_admin EMAIL [--password-stdin]"""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import create_user
from tenants.db import PUBLIC, entered


class Command(BaseCommand):
    help = "Make an administrator of the platform: tenants and domains, no chats."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
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
            with entered(PUBLIC):
                user = create_user(
                    email=options["email"], password=password, role=User.Role.OWNER
                )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{user.email} administers the platform.")
