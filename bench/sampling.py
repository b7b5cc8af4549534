"""What a server process uses while it is under load (Linux: /proc)."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

import psycopg

_INTERVAL = 0.1
_NAME = "parley-bench"


class Sampler:
    """Highest number of threads, database connections and resident MB seen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.threads = 0
        self.connections = 0
        self.rss_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        url = os.environ["DATABASE_URL"]
        with psycopg.connect(url, application_name=_NAME, autocommit=True) as db:
            while not self._stop.wait(_INTERVAL):
                fields = _status(self.pid)
                self.threads = max(self.threads, int(fields["Threads"]))
                rss = int(fields["VmRSS"].split()[0]) / 1024
                self.rss_mb = max(self.rss_mb, rss)
                row = db.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = "
                    "'client backend' AND application_name <> %s",
                    [_NAME],
                ).fetchone()
                self.connections = max(self.connections, row[0] if row else 0)


def cpu_seconds(pid: int) -> float:
    """User and system time the process has used so far."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
