"""A process that has done the slow imports of a server, and forks the tests' servers.

`python -m tests.warm SOCKET` listens there until its standard input closes. It is one
thread without settings: what a server is depends on the environment its request brings.
Each connection is one server's: an environment and arguments with its stdin and output
go in, the process id and, at its end, the exit code come out. `Parent` starts it,
`Forked` is the other end of a connection. Only on Linux.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

# Slow ones that read no settings. Not prometheus_client, nor anything of daphne: at its
# import the one looks at the environment and the other makes an event loop.
_MODULES = (
    "aiohttp",
    "django.contrib.admin",
    "django.contrib.postgres.fields",
    "jsonschema",
    "litellm.proxy._types",
    "structlog",
)
_PATIENCE = 60
CAN_FORK = sys.platform == "linux"


class Parent:
    """The process that forks, in this session's folder; one for all its workers."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "warm"
        self._log = folder / "warm.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """To be ready in some seconds; once."""
        if self._process is None:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-u", "-m", "tests.warm", str(self.place)],
                    cwd=Path(__file__).resolve().parents[1],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def stop(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.kill()
            self._process.wait()


class Forked:
    """A server process; as far as it goes, a subprocess.Popen."""

    returncode: int | None = None

    def __init__(
        self, place: Path, arguments: list[str], env: dict[str, str], output: IO[bytes]
    ) -> None:
        self._line = _connected(place)
        theirs, ours = os.pipe()
        request = json.dumps({"arguments": arguments, "env": env}).encode()
        socket.send_fds(self._line, [request], [theirs, output.fileno()])
        os.close(theirs)
        self.stdin = os.fdopen(ours, "wb", buffering=0)
        self.pid = int(self._line.recv(64))

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("config.web", timeout or 0)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], timeout)[0]:
            self.returncode = int(self._line.recv(64) or -signal.SIGKILL)
            self._line.close()
        return self.returncode


def _connected(place: Path) -> socket.socket:
    deadline = time.monotonic() + _PATIENCE
    while True:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            line.connect(str(place))
        except (FileNotFoundError, ConnectionRefusedError):
            line.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return line


def _serve(place: str) -> dict[str, Any] | None:
    """In each child it comes back with what to be; in the parent at its end."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(place)
        door.listen(64)
        sources: list[int | socket.socket] = [0, waking, door]
        while True:
            ready = select.select(sources, [], [])[0]
            if 0 in ready:
                return None
            if waking in ready:
                os.read(waking, 512)
                _report(children)
            if door in ready:
                line = door.accept()[0]
                request, fds, _, _ = socket.recv_fds(line, 1 << 20, 2)
                tasks = list(Path("/proc/self/task").iterdir())
                assert len(tasks) == 1, "a fork would lose threads"
                if (pid := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (door, line, *children.values()):
                        os.close(each.detach())
                    for number, fd in enumerate((*fds, fds[1])):
                        os.dup2(fd, number)
                    for fd in (*fds, waking, woken):
                        os.close(fd)
                    return dict(json.loads(request))
                for fd in fds:
                    os.close(fd)
                children[pid] = line
                line.send(str(pid).encode())


def _report(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as line, contextlib.suppress(BrokenPipeError):
            line.send(str(os.waitstatus_to_exitcode(status)).encode())


def main() -> None:
    from llm import _litellm

    before = dict(os.environ)
    _litellm.load()
    _litellm.token_count("warm up", "gpt-4o-mini")
    _litellm._module = None  # each server loads it, with its own environment
    for name in _MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    os.environ.clear()
    os.environ.update(before)
    request = _serve(sys.argv[1])
    if request is not None:
        os.setsid()
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = ["config.web", *request["arguments"]]
        runpy.run_module("config.web", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
