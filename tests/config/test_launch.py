"""The launcher as a person uses it: real processes on a data directory of their own."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import own_place

ROOT = Path(__file__).resolve().parents[2]


class Launcher:
    """`python -m config.launch` with its own environment; what it says, as it says it.

    Variables are set even when empty, so that a developer's .env changes nothing.
    """

    def __init__(self, arguments: list[str], **environment: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.launch", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                "PATH": os.defpath,
                "DATABASE_URL": "",
                "DEMO_PASSWORD": "",
                "LOCAL_MODEL": "0",
                "BIND": "",
            }
            | environment,
        )

    def wait_for(self, wanted: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if wanted in line:
                return "\n".join(self.lines)
        raise AssertionError(f"{wanted!r} was not said:\n" + "\n".join(self.lines))

    def end(self) -> str:
        """Waits for the end; what was said since the last call of wait_for."""
        return self.process.communicate(timeout=60)[0]

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def child(self, module: str) -> psutil.Process:
        return next(c for c in self.children() if module in c.cmdline())


@pytest.fixture
def launch() -> Iterator[Callable[..., Launcher]]:
    launched: list[Launcher] = []

    def start(arguments: list[str], **environment: str) -> Launcher:
        launched.append(Launcher(arguments, **environment))
        return launched[-1]

    yield start
    for launcher in launched:
        if launcher.process.poll() is None:
            launcher.process.terminate()
        launcher.end()


@pytest.fixture
def port() -> Iterator[str]:
    with own_place() as probe:
        yield str(probe.getsockname()[1])


def status(port: str, path: str, host: str = "localhost") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status


def all_end(processes: list[psutil.Process]) -> bool:
    """Waits; a process that nobody reaps in a container counts as ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if all(
                not p.is_running() or p.status() == psutil.STATUS_ZOMBIE
                for p in processes
            ):
                return True
        time.sleep(0.1)
    return False


@pytest.mark.local_model
@pytest.mark.long
def test_a_first_start_a_stop_a_second_start_and_a_kill(
    launch: Callable[..., Launcher], tmp_path: Path, port: str
) -> None:
    data = {"DATA_DIR": str(tmp_path), "PORT": port}
    first = launch(["run"], LOCAL_MODEL="1", **data)
    said = first.wait_for("Ctrl-C stops it")
    assert f"http://demo.localhost:{port}" in said
    assert "owner@demo.localhost" in said
    password = re.search(r"password (\S+) \(shown only now\)", said)
    assert password and len(password[1]) == 17
    assert status(port, "/readyz") == 200
    assert status(port, "/accounts/login/", "demo.localhost") == 200
    assert first.child("llm.local").is_running()

    second = launch(["run"], **data)
    assert "Cannot listen on 127.0.0.1 port" in second.end()
    assert second.process.returncode == 1

    family = first.children()
    first.process.send_signal(signal.SIGINT)
    assert first.end().strip() == "Stopping."
    assert first.process.returncode == 0
    assert all_end(family)

    third = launch(["serve", "--workers", "2"], **data)
    assert "password" not in third.wait_for("Ctrl-C stops it")
    # Whichever worker answers: one that is not ready yet does not listen.
    assert {status(port, "/readyz") for _ in range(20)} == {200}
    family = third.children()
    third.process.kill()
    assert all_end(family)


@pytest.mark.long
def test_the_end_of_the_web_server_ends_the_launcher_with_a_sentence(
    launch: Callable[..., Launcher], tmp_path: Path, port: str
) -> None:
    launcher = launch(
        ["run"], DATA_DIR=str(tmp_path), PORT=port, DEMO_PASSWORD="correct horse"
    )
    said = launcher.wait_for("Ctrl-C stops it")
    assert "with the password of DEMO_PASSWORD" in said
    assert "correct horse" not in said
    family = launcher.children()
    launcher.child("config.web").kill()
    assert "The web server ended by itself" in launcher.end()
    assert launcher.process.returncode == 1
    assert all_end(family)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PORT": "many"}, "PORT must be a whole number"),
        ({"BIND": "203.0.113.7"}, "Cannot listen on 203.0.113.7"),
        (
            {"DATABASE_URL": "http://parley:hidden@db"},
            "DATABASE_URL is not a PostgreSQL address",
        ),
        (
            {"DATABASE_URL": "postgresql://parley:hidden@127.0.0.1:1/parley"},
            "The database cannot be used",
        ),
    ],
)
def test_what_prevents_the_start_is_said_in_a_sentence(
    launch: Callable[..., Launcher],
    tmp_path: Path,
    port: str,
    environment: dict[str, str],
    sentence: str,
) -> None:
    data = {"DATA_DIR": str(tmp_path / "data"), "PORT": port}
    launcher = launch(["run"], **data | environment)
    said = launcher.end()
    assert sentence in said
    assert "Traceback" not in said
    assert "hidden" not in said
    assert launcher.process.returncode == 1
    assert not (tmp_path / "data").exists()


def test_the_example_lists_every_variable_that_is_read() -> None:
    reader = re.compile(r'\benv\.\w+\(\s*"([A-Z][A-Z_]+)"')
    internal = {"DATABASE_EMBEDDED"}  # says config.postgres to the settings
    read = {
        name
        for path in (ROOT / "config").glob("*.py")
        for name in reader.findall(path.read_text())
    }
    example = (ROOT / ".env.example").read_text()
    assert read - internal == set(re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE))
