"""Starts all of Parley and stops it again: `make run` and `make serve`.

Up: the port is free, PostgreSQL, migrations beside the local model, the first tenant,
the web server. Down: the web server, the model, PostgreSQL (by config.postgres, as the
process ends). Each child has a session of its own, so that Ctrl-C in a terminal
reaches only the launcher, and ends when its standard input closes, which happens when
the launcher dies in whatever way.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psycopg
from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv

from config import env, web
from config.database import connection_settings
from config.postgres import ensure_database_url
from llm.local import LocalModelError, LocalModelProcess

BASE_DIR = Path(__file__).resolve().parent.parent
DEMO_SLUG = "demo"
DEMO_HOST = f"{DEMO_SLUG}.localhost"
DEMO_OWNER = f"owner@{DEMO_HOST}"
OLDEST_POSTGRES = 15
START_SECONDS = 60
# Easily told apart when read aloud or typed; 32 letters are 5 bits each.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_CREATED = "created"


class LaunchError(Exception):
    """What stops the start; the message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    @property
    def local(self) -> str:
        """The address at which this machine reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    def require_free(self) -> None:
        """Raises LaunchError if nothing could listen here."""
        try:
            family, kind, _, _, where = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM
            )[0]
            with socket.socket(family, kind) as probe:
                # As the servers do: a port whose last connections linger is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
                probe.listen()
        except OSError as error:
            raise LaunchError(
                f"Cannot listen on {self.host} port {self.port}: {error.strerror}. "
                "Stop what uses it, or choose another with PORT and BIND."
            ) from error


# ------------------------------------------------------------------------ the launcher


def launch(workers: int) -> int:
    """Runs Parley until a signal or the end of the web server; returns the exit code.

    No workers means one daphne process, otherwise as many uvicorn workers. Raises
    LaunchError, and KeyboardInterrupt at SIGINT, SIGTERM and SIGHUP.
    """
    address = Address(web.host(), web.port())
    address.require_free()
    _say("Starting Parley.")
    _require_database(ensure_database_url())
    password = env.text("DEMO_PASSWORD") or _new_password()
    with contextlib.ExitStack() as down:
        with _child("config.launch", "prepare", stdout=subprocess.PIPE) as preparation:
            _start_model(down)
            created = _finish_preparation(preparation, password)
        _say("The database is ready.")
        server = down.enter_context(_child("config.web", "--workers", str(workers)))
        down.callback(_say, "Stopping.")
        _wait_until_ready(server, address)
        _greet(address, password if created else None)
        code = server.wait()
        raise LaunchError(f"The web server ended by itself, with exit code {code}.")


def _greet(address: Address, new_password: str | None) -> None:
    _say(f"\n  Parley is at http://{DEMO_HOST}:{address.port}")
    _say(f"  Sign in as {DEMO_OWNER}")
    if new_password and env.text("DEMO_PASSWORD"):
        _say("  with the password of DEMO_PASSWORD")
    elif new_password:
        _say(f"  with the password {new_password} (shown only now)")
    _say("\nCtrl-C stops it.")


def _start_model(down: contextlib.ExitStack) -> None:
    """Starts the local model, whose address the web server finds in its environment."""
    if not env.flag("LOCAL_MODEL", True):
        return
    model = LocalModelProcess()
    down.callback(model.stop)
    try:
        url, key = model.start()
    except LocalModelError as error:
        _say(f"{error}\nGoing on without the local model.")
        return
    os.environ["LOCAL_MODEL_URL"] = url
    os.environ["LOCAL_MODEL_KEY"] = key
    _say("The local model is ready.")


def _require_database(url: str) -> None:
    connection_settings(url, pool_size=1)  # an unreadable address is told from here
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        # libpq's messages name host and user, never the password.
        reason = str(error).strip().splitlines()[0]
        raise LaunchError(f"The database cannot be used: {reason}") from error
    if version < OLDEST_POSTGRES:
        raise LaunchError(
            f"Parley needs PostgreSQL {OLDEST_POSTGRES} or newer; "
            f"DATABASE_URL leads to version {version}."
        )


def _finish_preparation(process: subprocess.Popen[bytes], password: str) -> bool:
    """Waits for `prepare`; true if it made the first tenant."""
    said, _ = process.communicate(password.encode())
    if process.returncode:
        raise LaunchError("The database could not be prepared; see above.")
    return said.decode().strip() == _CREATED


def _wait_until_ready(server: subprocess.Popen[bytes], address: Address) -> None:
    deadline = time.monotonic() + START_SECONDS
    status: int | None = None
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise LaunchError(
                "The web server did not start "
                f"(exit code {server.returncode}); see above."
            )
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(
                address.local, address.port, timeout=5
            )
            with contextlib.closing(connection):
                connection.request("GET", "/readyz")
                status = connection.getresponse().status
            if status == http.HTTPStatus.OK:
                return
        time.sleep(0.1)
    answer = f"/readyz answers {status}" if status else "/readyz does not answer"
    raise LaunchError(f"The web server was not ready in {START_SECONDS} s: {answer}.")


def _new_password() -> str:
    letters = [secrets.choice(_LETTERS) for _ in range(15)]
    return "-".join("".join(letters[at : at + 5]) for at in range(0, 15, 5))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# ---------------------------------------------------------------------------- children


@contextlib.contextmanager
def _child(
    module: str, *arguments: str, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module`; ended, with all that it started, at the end of the block."""
    process = subprocess.Popen(  # noqa: S603 -- our own modules
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=stdout,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(web.STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def prepare() -> None:
    """In a child: migrates, and makes the demo tenant if there is no tenant at all.

    The owner's password comes on stdin; "created" goes to stdout if it was needed.
    """
    import django  # a process of its own: Django's memory is given back
    from django.core.management import CommandError, call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from tenants.db import EXPLICIT, PUBLIC, entered
    from tenants.models import Tenant

    try:
        with entered(EXPLICIT):
            call_command("migrate_schemas", interactive=False, verbosity=0)
    except CommandError as error:
        # Of the extensions: what an administrator has to run.
        raise LaunchError(str(error)) from error
    with entered(PUBLIC):
        known = Tenant.objects.exclude(schema_name=PUBLIC.schema_name).exists()
    if known:
        return
    options = ["--name", "Demo", "--domain", DEMO_HOST, "--owner", DEMO_OWNER]
    options.append("--password-stdin")
    try:
        with entered(EXPLICIT):
            call_command("create_tenant", DEMO_SLUG, *options, stdout=io.StringIO())
    except CommandError as error:
        raise LaunchError(
            f"The tenant {DEMO_SLUG} could not be made: {error}"
        ) from error
    _say(_CREATED)


# -------------------------------------------------------------------------- the program

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """The first signal to stop raises KeyboardInterrupt; later ones change nothing."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in _STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)  # but nohup's SIGHUP stays ignored
    yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m config.launch")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="one process, for one machine and its person")
    serve = commands.add_parser("serve", help="several processes")
    serve.add_argument("--workers", type=int, default=2)
    commands.add_parser("prepare", help="the launcher's own child: migrates")
    options = parser.parse_args(arguments)
    if options.command == "serve" and options.workers < 1:
        parser.error("--workers must be at least 1")
    try:
        if options.command == "prepare":
            prepare()
            return 0
        load_dotenv(BASE_DIR / ".env")
        with _interruptible():
            return launch(options.workers if options.command == "serve" else 0)
    except KeyboardInterrupt:
        return 0
    except (LaunchError, ImproperlyConfigured) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
