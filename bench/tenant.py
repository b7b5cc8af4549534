"""A database with one tenant whose agent asks the provider stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg

from config.postgres import ensure_database_url

SCHEMA = "t_bench"


@dataclass(frozen=True, slots=True)
class Prepared:
    key: str
    environment: dict[str, str]


_AGENT = """
from agents.models import Agent, Provider
from agents.services import revise_agent, set_provider_key
from tenants.db import entered
from tenants.services import tenant_by_slug
with entered(tenant_by_slug("bench").scope):
    provider = Provider.objects.create(
        name="standin", kind="openai_compatible", base_url={url!r},
        model_names={models!r},
    )
    set_provider_key(provider=provider, api_key="bench-key")
    revise_agent(
        agent=Agent.objects.get(), system_prompt="Answer.", author=None,
        model="standin/" + {models!r}[0], parameters={{}},
    )
"""


# What bench.provider plays: <tokens>x<milliseconds between them>.
MODELS = [
    "bench-40x50",
    "bench-400x50",
    "bench-400x50-together",
    "bench-200x100",
    "bench-200x50",
    "bench-40x10",
    "bench-16000x0",
    "bench-1x0",
]


def prepare(folder: Path, url: str) -> Prepared:
    """Starts the database in `folder`, which this process keeps until it ends."""
    os.environ.pop("DATABASE_URL", None)
    ensure_database_url(folder)
    environment = {
        name: os.environ[name] for name in ("DATABASE_URL", "DATABASE_EMBEDDED")
    }
    environment |= {"DATA_DIR": str(folder), "LOG_FORMAT": "json"}
    os.environ.update(environment)
    _manage("migrate_schemas", "-v0")
    owner = "owner@bench.test"
    _manage("create_tenant", "bench", "--owner", owner)
    _manage("shell", "-v0", "-c", _AGENT.format(url=url, models=MODELS))
    key = _manage("create_api_key", "--tenant", "bench", "--user", owner)
    return Prepared(key=key.strip(), environment=environment)


_SESSION = """
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import User
from tenants.db import entered
from tenants.services import tenant_by_slug
with entered(tenant_by_slug("bench").scope):
    user = User.objects.get()
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    print(session.session_key)
"""


def session() -> str:
    """The key of a session of the owner's, for a browser's cookie."""
    return _manage("shell", "-v0", "-c", _SESSION).strip()


def stored_turns() -> int:
    """Turns whose reply is complete and whose usage is recorded, as reported."""
    query = f"""
        SELECT count(*) FROM {SCHEMA}.chat_turn t
        JOIN {SCHEMA}.chat_message m ON m.id = t.reply_id AND m.status = 'complete'
        JOIN {SCHEMA}.usage_usagerecord u
            ON u.turn_id = t.id AND u.kind = 'reply' AND NOT u.estimated
        WHERE t.status = 'done'
    """  # noqa: S608  # a constant
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else 0


def _manage(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
