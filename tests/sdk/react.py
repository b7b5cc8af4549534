"""`useChat` of the npm package `@ai-sdk/react` in a Node process, led from Python.

client.mjs is the process; the packages are those of package-lock.json.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from tests.servers import LiveServer

HERE = Path(__file__).parent
_OLDEST_NODE = 18
_SECONDS = 60


class State(NamedTuple):
    """What the component has rendered. `error` is the message of the client's error;
    a part of a message is as the client holds it."""

    id: str
    status: str
    messages: list[dict[str, Any]]
    error: str | None = None

    @property
    def ids(self) -> list[str]:
        return [message["id"] for message in self.messages]

    @property
    def roles(self) -> list[str]:
        return [message["role"] for message in self.messages]

    @property
    def text(self) -> str:
        """Of the newest message."""
        return text_of(self.messages[-1]) if self.messages else ""


def text_of(message: dict[str, Any]) -> str:
    return "".join(p["text"] for p in message["parts"] if p["type"] == "text")


class ReactClient:
    """The process; its components reach a server through a line that `cut` breaks."""

    def __init__(self) -> None:
        self._told = threading.Condition()
        self._chats: dict[str, Chat] = {}
        self._commands = 0
        self._ended = False
        self._errors = TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            ["node", "client.mjs"],  # noqa: S607
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def mount(
        self,
        server: LiveServer,
        host: str,
        key: str,
        *,
        chat_id: str | None = None,
        messages: list[dict[str, Any]] | None = None,
        resume: bool = False,
        strict: bool = False,
        body: dict[str, str] | None = None,
    ) -> Chat:
        """A component that calls `useChat` with an API key, on a tenant's host;
        `strict` puts it into React's StrictMode, `body` is the transport's."""
        options = {"id": chat_id, "messages": messages, "resume": resume}
        chat = Chat(self, f"chat-{self._commands + 1}")
        self._chats[chat.name] = chat
        command = self.command(
            do="mount",
            chat=chat.name,
            host=host,
            port=server.port,
            options={name: v for name, v in options.items() if v is not None},
            headers={"Authorization": f"Bearer {key}"},
            body=body or {},
            strict=strict,
        )
        self.wait(lambda: command in chat.settled)
        return chat

    def cut(self) -> None:
        """Reset every connection to the server."""
        self.command(do="cut")

    def leave(self) -> None:
        """Unmount all there is, which ends its requests."""
        for name in self._chats:
            self.command(do="unmount", chat=name)
        with self._told:
            self._chats = {}

    def command(self, **command: object) -> int:
        self._commands += 1
        assert self._process.stdin is not None
        line = json.dumps({"n": self._commands, **command})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._commands

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until something the process has told makes it true."""
        with self._told:
            met = self._told.wait_for(lambda: self._ended or condition(), _SECONDS)
            assert met and condition(), self._report()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            with self._told:
                if chat := self._chats.get(event["chat"]):
                    chat.take(event)
                self._told.notify_all()
        with self._told:
            self._ended = True
            self._told.notify_all()

    def _report(self) -> str:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        chats = "\n".join(f"{chat.name}: {chat}" for chat in self._chats.values())
        return f"what was waited for did not happen; {chats}\n{said}"


class Chat:
    """One mounted component.

    `asked` are its requests ("GET /api/v1/chat/…"), `answered` those that got a status,
    `data` what reached onData, `finishes` what reached onFinish.
    """

    def __init__(self, client: ReactClient, name: str) -> None:
        self.name = name
        self.state = State("", "", [])
        self.settled: list[int] = []
        self.asked: list[str] = []
        self.answered: list[tuple[str, int]] = []
        self.data: list[dict[str, Any]] = []
        self.finishes: list[dict[str, Any]] = []
        self._client = client

    def take(self, event: dict[str, Any]) -> None:
        match event:
            case {"state": state, "settled": settled}:
                self.state = State(**state)
                self.settled = settled
            case {"asked": asked}:
                self.asked.append(asked)
            case {"answered": [asked, status]}:
                self.answered.append((asked, status))
            case {"data": data}:
                self.data.append(data)
            case {"finish": finish}:
                self.finishes.append(finish)

    def begin(self, action: str, *arguments: object) -> int:
        """Call a function of useChat's and do not wait for its promise."""
        return self._client.command(do=action, chat=self.name, **{"with": arguments})

    def settle(self, command: int) -> State:
        """Wait for the end of what was begun."""
        self._client.wait(lambda: command in self.settled)
        return self.state

    def call(self, action: str, *arguments: object) -> State:
        return self.settle(self.begin(action, *arguments))

    def send(self, text: str, **fields: object) -> State:
        """sendMessage; returns when the reply is over."""
        return self.call("sendMessage", {"text": text, **fields})

    def until(self, condition: Callable[[State], bool]) -> State:
        """Wait for a render."""
        self._client.wait(lambda: condition(self.state))
        return self.state

    def until_answered(self, asked: str) -> int:
        """Wait for the status of the newest request like this one."""
        self._client.wait(lambda: any(asked == path for path, _ in self.answered))
        return [status for path, status in self.answered if path == asked][-1]

    def unmount(self) -> None:
        """As when the person leaves the page."""
        self._client.command(do="unmount", chat=self.name)

    def __str__(self) -> str:
        return f"{self.state} {self.asked} {self.answered} {self.finishes}"


def require_packages() -> None:
    """Install what package-lock.json names, once, or skip the test and say why."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True)
    if int(version.stdout.strip().lstrip("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.skip(f"Node {version.stdout.strip()} is older than {_OLDEST_NODE}")
    lock_file = HERE / "package-lock.json"
    installed = HERE / "node_modules" / ".installed"
    with lock_file.open("rb") as lock:
        # Several workers, or several runs, may find nothing at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock.read()).hexdigest()
        if installed.exists() and installed.read_text() == wanted:
            return
        made = subprocess.run(
            [npm, "ci"],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if made.returncode:
            pytest.skip(f"npm could not install the packages: {made.stderr[-500:]}")
        installed.write_text(wanted)
