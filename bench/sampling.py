"""What server processes use while they are under load (Linux: /proc)."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType

import psycopg

_INTERVAL = 0.2
_NAME = "parley-bench"


class Sampler:
    """Of a process and its children: CPU seconds, memory before and at most, the most
    threads of any of them, the most database connections of all."""

    def __init__(self, pid: int) -> None:
        self._pids = family(pid)
        self.threads = 0
        self.connections = 0
        self.cpu = 0.0
        self._cpu_at: list[tuple[float, float]] = []
        self.rss_before = self.rss = _rss(self._pids)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._before = _cpu(self._pids)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cpu = _cpu(self._pids) - self._before
        self._stop.set()
        self._thread.join()

    def cpu_between(self, begin: float, end: float) -> tuple[float, float]:
        """CPU seconds, and how much of the time (a share of it) they are of: samples
        do not fall on its ends."""
        within = [one for one in self._cpu_at if begin <= one[0] <= end]
        if len(within) < 2:
            return 0.0, 0.0
        (first, before), (last, after) = within[0], within[-1]
        return after - before, (last - first) / (end - begin)

    def _run(self) -> None:
        url = os.environ["DATABASE_URL"]
        with psycopg.connect(url, application_name=_NAME, autocommit=True) as db:
            while not self._stop.wait(_INTERVAL):
                self._cpu_at.append((time.perf_counter(), _cpu(self._pids)))
                threads = (int(_status(pid)["Threads"]) for pid in self._pids)
                self.threads = max(self.threads, *threads)
                self.rss = max(self.rss, _rss(self._pids))
                row = db.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = "
                    "'client backend' AND application_name <> %s",
                    [_NAME],
                ).fetchone()
                self.connections = max(self.connections, row[0] if row else 0)


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def _cpu(pids: list[int]) -> float:
    return sum(_cpu_of(pid) for pid in pids)


def _cpu_of(pid: int) -> float:
    """User and system seconds so far, all its threads together."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pids: list[int]) -> int:
    """KiB in memory."""
    return sum(int(_status(pid)["VmRSS"].split()[0]) for pid in pids)


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
