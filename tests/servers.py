"""Real servers in processes of their own, and clients that name a tenant by Host."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Literal

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from prometheus_client.mmap_dict import MmapedDict

from accounts.models import User
from chat.models import Turn
from chat.services.conversations import ask_to_stop
from config.metrics_folder import folder_of, forget_dead
from tenants.db import entered
from tenants.models import Tenant
from tests.factories import make_key, person
from tests.warm import Forked, Parent

ROOT = Path(__file__).resolve().parents[1]
Kind = Literal["daphne", "uvicorn", "two workers"]
# What every test of streams runs on; two workers are for what only they can show.
KINDS: tuple[Kind, ...] = ("daphne", "uvicorn")
_WORKERS = {"daphne": "0", "uvicorn": "1", "two workers": "2"}
_START_SECONDS = 60
_SETTLE_SECONDS = 60
# The gauges of what a process still has to do.
_WORK = {"parley_turn_tasks", "parley_http_requests_in_progress"}
_alive: set[LiveServer] = set()
# Of clients. Reading the machine's certificates takes 15 ms each time; nothing here is
# https.
_PLAIN: dict[str, Any] = {
    "trust_env": False,
    "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
}
# What forks them; None where servers start as everybody's do.
warm_parent: Parent | None = None


def settle(*tenants: Tenant) -> None:
    """Comes back when no live server has anything left to do for a test that is over:
    turns that still run are stopped, as a person stops them. What they write then is
    part of that test, not of the next one."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while busy := [server for server in _alive if not server.is_idle()]:
        for tenant in tenants:
            with entered(tenant.scope):
                for turn in Turn.objects.running():
                    ask_to_stop(turn.conversation_id)
        said = [(server.kind, server.output()) for server in busy]
        assert time.monotonic() < deadline, f"this does not come to its end: {said}"
        time.sleep(0.01)


def any_alive() -> bool:
    return bool(_alive)


class LiveServer:
    """Parley on a loopback port, as `make run` or `make serve` start it."""

    def __init__(
        self, kind: Kind, database_url: str, folder: Path, **environment: str
    ) -> None:
        self.kind = kind
        self._place = own_place()
        self.port: int = self._place.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"{kind}-{self.port}.log"
        self._metrics = folder_of(folder, self.port)
        self._seen = 0
        own = {"PORT": str(self.port)} | environment
        with self._log.open("wb") as log:
            self._process = _start(
                ["--workers", _WORKERS[kind]],
                server_environment(database_url, folder) | own,
                log,
            )
        _alive.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the server ended:\n{self.output()}"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", **_PLAIN).is_success:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server was not ready:\n{self.output()}")

    def stop(self) -> None:
        """In good order, as when the launcher ends; by force if that fails."""
        _alive.discard(self)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._place.close()

    def is_idle(self) -> bool:
        """Whether none of its processes has a request or a turn in hand, titles and
        storing included. From the files that /metrics adds up, which are never late."""
        forget_dead(self._metrics)
        return not any(
            value
            for path in self._metrics.glob("gauge_livesum_*.db")
            for key, value, *_ in MmapedDict.read_all_values_from_file(path)  # type: ignore[no-untyped-call]
            if json.loads(key)[0] in _WORK
        )

    def output(self) -> str:
        """What the server has said since the last call."""
        with self._log.open("rb") as log:
            log.seek(self._seen)
            said = log.read()
        self._seen += len(said)
        return said.decode(errors="replace")

    def client(
        self, tenant: Tenant | str, name: str = "", **options: Any
    ) -> httpx.Client:
        """A client on a tenant's host (or any `host`); `name` of the cast signs it in
        with an API key. Close it, or use it in a `with`."""
        return httpx.Client(**self._options(tenant, name, options))

    def async_client(
        self, tenant: Tenant | str, name: str = "", **options: Any
    ) -> httpx.AsyncClient:
        return httpx.AsyncClient(**self._options(tenant, name, options))

    def _options(
        self, tenant: Tenant | str, name: str, options: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {"Host": f"{host_of(tenant)}:{self.port}"}
        if name:
            assert isinstance(tenant, Tenant)
            headers["Authorization"] = f"Bearer {make_key(tenant, name)}"
        headers |= options.pop("headers", {})
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": 30,
            **_PLAIN,
        } | options


def _start(
    arguments: list[str], env: dict[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes] | Forked:
    if warm_parent is not None:
        if "PYTEST_XDIST_WORKER" not in os.environ:
            warm_parent.start()
        return Forked(warm_parent.place, arguments, env, log)
    return subprocess.Popen(
        [sys.executable, "-m", "config.web", *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def host_of(tenant: Tenant | str) -> str:
    return tenant if isinstance(tenant, str) else f"{tenant.slug}.localhost"


def session_cookie(tenant: Tenant, name: str) -> dict[str, str]:
    """The cookie of a session in which one of the cast is signed in."""
    with entered(tenant.scope):
        return cookie_of(person(tenant, name))


def cookie_of(user: User) -> dict[str, str]:
    """The same of anybody. Call it inside the person's scope."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert session.session_key
    return {settings.SESSION_COOKIE_NAME: session.session_key}


def server_environment(database_url: str, folder: Path) -> dict[str, str]:
    """For processes that share the tests' database: servers and manage.py."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LOCAL_MODEL", "TURN_", "PYTEST_"))
    } | {
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder),
        "BIND": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }


def own_place() -> socket.socket:
    """A port that nobody else is given while this is open. Servers set SO_REUSEADDR,
    too, and so may bind it, since nobody listens here."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    return probe
