#!/usr/bin/env python
"""Django's command line, on the embedded PostgreSQL unless DATABASE_URL is set."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line
from dotenv import load_dotenv

from config.postgres import ensure_database_url
from tenants.db import EXPLICIT, close_pools, current


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    load_dotenv(Path(__file__).parent / ".env")
    ensure_database_url()
    # Commands start in the public schema and choose tenants themselves; a server
    # never does this: there the tenant comes from the Host.
    current.set(EXPLICIT)
    try:
        execute_from_command_line(sys.argv)
    finally:
        # Before the embedded server goes: a pool would try to reconnect to it.
        close_pools()


if __name__ == "__main__":
    main()
