"""The embedded PostgreSQL, with real processes that start, share, leave and are killed.

Each `Holder` is a process of its own, since the server's life hangs on processes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from config.postgres import EmbeddedPostgres, EmbeddedPostgresError

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from config.postgres import ensure_database_url
print(ensure_database_url(), flush=True)
sys.stdin.read()
"""


class Holder:
    """A process that uses the database of `data_dir` until told to leave."""

    def __init__(self, data_dir: Path | str, cwd: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={
                "PATH": os.defpath,
                "DATA_DIR": str(data_dir),
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error",
            },
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> str:
        """Ends the process in good order; returns what it said on stderr."""
        return self.process.communicate("")[1]

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start() -> Iterator[Callable[..., Holder]]:
    holders: list[Holder] = []

    def start_holder(data_dir: Path | str, cwd: Path = ROOT) -> Holder:
        holders.append(Holder(data_dir, cwd))
        return holders[-1]

    yield start_holder
    for holder in holders:
        if holder.process.poll() is None:
            holder.leave()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cluster for all tests: each leaves it stopped, and initdb takes a second."""
    return tmp_path_factory.mktemp("data")


def answer(url: str, query: str = "SELECT 1") -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def runs(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        return answer(url) == 1
    return False


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "server").read_text())


def test_the_last_process_that_leaves_stops_the_server(
    start: Callable[..., Holder], data_dir: Path
) -> None:
    first, second = start(data_dir), start(data_dir)  # both at once
    url = first.url()
    assert url == second.url()
    assert first.leave() == ""
    assert runs(url)
    assert second.leave() == ""
    assert not runs(url)


def test_a_new_cluster_is_made_once_by_processes_that_start_together(
    start: Callable[..., Holder], tmp_path: Path
) -> None:
    holders = [start(tmp_path) for _ in range(3)]
    assert len({holder.url() for holder in holders}) == 1
    assert [holder.leave() for holder in holders] == ["", "", ""]


def test_data_survives_and_is_unicode_in_utc(
    start: Callable[..., Holder], data_dir: Path
) -> None:
    holder = start(data_dir)
    url = holder.url()
    assert url.startswith("postgresql://") and "/parley?" in url
    assert answer(url, "SHOW server_encoding") == "UTF8"
    assert answer(url, "SHOW timezone") == "UTC"
    assert answer(url, "SELECT lower('ÄЖ')") == "äж"
    assert answer(url, "SHOW listen_addresses") == ""
    answer(url, "CREATE TABLE kept AS SELECT 7 AS n")
    holder.leave()
    assert answer(start(data_dir).url(), "SELECT n FROM kept") == 7


def test_a_killed_process_does_not_keep_the_server(
    start: Callable[..., Holder], data_dir: Path
) -> None:
    holder = start(data_dir)
    url = holder.url()
    holder.kill()
    assert eventually(lambda: not runs(url))
    again = start(data_dir)
    assert again.url() == url
    again.leave()
    assert not runs(url)


def test_a_killed_process_does_not_take_the_server_from_others(
    start: Callable[..., Holder], data_dir: Path
) -> None:
    killed, alive = start(data_dir), start(data_dir)
    url = killed.url()
    alive.url()
    killed.kill()
    visitor = start(data_dir)
    visitor.url()
    visitor.leave()
    assert runs(url)
    alive.leave()
    assert not runs(url)


def test_a_crashed_server_starts_again_with_its_data(
    start: Callable[..., Holder], data_dir: Path
) -> None:
    holder = start(data_dir)
    url = holder.url()
    answer(url, "CREATE TABLE IF NOT EXISTS written AS SELECT 5 AS n")
    os.kill(postmaster(data_dir), 9)
    again = start(data_dir)
    assert again.url() == url
    assert answer(url, "SELECT n FROM written") == 5
    holder.leave()
    assert runs(url)
    again.leave()
    assert not runs(url)


@pytest.mark.parametrize("content", ["{pid}\n", "", "12", "{pid}\n/elsewhere\n1\n"])
def test_a_stale_or_truncated_pid_file_is_no_obstacle(
    start: Callable[..., Holder], data_dir: Path, content: str
) -> None:
    start(data_dir).leave()
    bystander = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    )
    try:
        data = data_dir / "postgres" / "data"
        (data / "postmaster.pid").write_text(content.format(pid=bystander.pid))
        (data_dir / "postgres" / "server").write_text(str(bystander.pid))
        holder = start(data_dir)
        assert runs(holder.url())
        holder.leave()
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"")


def test_an_interrupted_setup_is_made_anew(
    start: Callable[..., Holder], tmp_path: Path
) -> None:
    draft = tmp_path / "postgres" / "data.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    assert runs(start(tmp_path).url())


def test_a_deep_and_relative_data_dir_works(
    start: Callable[..., Holder], tmp_path: Path
) -> None:
    deep = tmp_path / "a folder, far down" / ("x" * 100)
    deep.mkdir(parents=True)
    holder = start("here", cwd=deep)
    url = holder.url()
    assert runs(url)
    assert (deep / "here" / "postgres" / "data").is_dir()
    holder.leave()
    Path(url.partition("host=")[2]).rmdir()  # the socket's own folder is left empty


def test_a_database_url_wins(
    monkeypatch: pytest.MonkeyPatch, start: Callable[..., Holder], tmp_path: Path
) -> None:
    from config.postgres import ensure_database_url

    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/parley")
    assert ensure_database_url(tmp_path) == "postgresql://db.example/parley"
    assert list(tmp_path.iterdir()) == []


def test_data_of_another_version_is_refused_in_one_sentence(
    start: Callable[..., Holder], tmp_path: Path
) -> None:
    start(tmp_path).leave()
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    holder = start(tmp_path)
    said = holder.leave()
    assert holder.process.returncode == 1
    assert "did not start: database files are incompatible" in said
    assert "Traceback" not in said


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("a file where the folder should be")
    with pytest.raises(EmbeddedPostgresError, match=r"cannot use .*/postgres:"):
        EmbeddedPostgres(tmp_path / "postgres").join()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_as_root_private_folders_let_the_server_pass_and_nothing_more(
    start: Callable[..., Holder], tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    assert runs(start(private).url())
    assert private.stat().st_mode & 0o777 == 0o701
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert (private / "postgres").stat().st_mode & 0o777 == 0o700
