"""The folder in which the processes of one server share their metrics.

Each writes files of its own there, named after its process id. A dead one's counts go
on counting; its gauges must go. Who lives is told by a lock, since ids come again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Read by prometheus_client when it is first imported, here and in the workers.
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_alive: IO[str] | None = None


@contextlib.contextmanager
def shared_metrics(data_dir: Path, port: int) -> Iterator[Path]:
    """Inside the block processes share metrics, in an empty folder under `data_dir`.

    Machines may share `data_dir`, and one machine may run several servers. What a
    killed server left behind goes at its next start.
    """
    folder = folder_of(data_dir, port)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[_VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def folder_of(data_dir: Path, port: int) -> Path:
    """Where the server at this port shares its metrics."""
    return data_dir / "metrics" / f"{socket.gethostname()}-{port}"


def shared_folder() -> Path | None:
    """None where this process's metrics are its own, as in tests and commands."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder else None


def show_alive(folder: Path) -> None:
    """Hold a lock until this process ends, in whatever way."""
    global _alive
    draft = folder / f"{os.getpid()}.draft"
    _alive = draft.open("w")
    fcntl.flock(_alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # Nobody may find it before it is locked.
    draft.rename(folder / f"{os.getpid()}.alive")


def forget_dead(folder: Path) -> None:
    """Remove the gauges of processes that have ended."""
    for path in folder.glob("*.alive"):
        with contextlib.suppress(FileNotFoundError), path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for gauges in folder.glob(f"gauge_live*_{path.stem}.db"):
                gauges.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
