"""Fixtures of all tests: the database, two tenants with the same cast, clients, servers
and the stand-in provider.

    db + acme, client_for     a test in one transaction that is rolled back
    committed, server         a test whose rows other threads and processes see
"""

from __future__ import annotations

import copy
import gc
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db.backends.postgresql.base import DatabaseWrapper
from pytest_django.plugin import DjangoDbBlocker

from tenants import db as tenants_db
from tenants import hosts
from tenants.db import EXPLICIT, PUBLIC, current, entered
from tenants.models import Tenant
from tests import servers
from tests.clients import TenantClient
from tests.database import TENANTS, Baseline, own_database
from tests.provider import Provider
from tests.servers import KINDS, Kind, LiveServer, settle
from tests.warm import CAN_FORK, Parent

_FOLDER = pytest.StashKey[Path]()
_servers: dict[str, LiveServer] = {}

# ------------------------------------------------------------------ the whole session


@pytest.hookimpl(tryfirst=True)  # before pytest chooses where tmp_path is
def pytest_configure(config: pytest.Config) -> None:
    # A worker of xdist gets the folder of its controller.
    given = getattr(config, "workerinput", {}).get("folder")
    folder = given or tempfile.mkdtemp(prefix="parley-test-")
    config.stash[_FOLDER] = Path(folder).resolve()
    if not given and config.option.basetemp is None:
        # Its usual place is closed to PostgreSQL's own user by each other run's start.
        config.option.basetemp = config.stash[_FOLDER] / "tmp"
    gc.set_threshold(50_000, 20, 50)  # imports and collection make objects that stay
    if CAN_FORK:
        servers.warm_parent = Parent(config.stash[_FOLDER])
        if not given and config.getoption("numprocesses", None):
            servers.warm_parent.start()  # by the controller, for all its workers


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The others fill the time in which these wait, if these do not come last.
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    # What is imported and collected stays: no need to look through it again and again.
    gc.collect()
    gc.freeze()
    wanted = {"_server_of", "start_server"}
    alone = not hasattr(session.config, "workerinput")
    if servers.warm_parent is not None and alone:
        names = (getattr(item, "fixturenames", ()) for item in session.items)
        if not wanted.isdisjoint(chain.from_iterable(names)):
            servers.warm_parent.start()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["folder"] = str(node.config.stash[_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if servers.warm_parent is not None:
        servers.warm_parent.stop()
    if not hasattr(config, "workerinput"):
        shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    if report.failed:
        for name, server in _servers.items():
            if said := server.output():
                report.sections.append((f"output of {name}", said))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With CI=true nothing may be missing on the machine."""
    failed_as_expected = hasattr(report, "wasxfail")
    if report.skipped and not failed_as_expected and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"Skipped, which CI does not allow: {report.longrepr}"


@pytest.fixture(scope="session")
def session_folder(request: pytest.FixtureRequest) -> Path:
    """Of all workers together; removed at the end."""
    return request.config.stash[_FOLDER]


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """No test leaves the machine."""
    original = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1"}:
            raise AssertionError(f"a test tried to reach {address}")
        return original(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


@pytest.fixture(scope="session")
def database_url(
    session_folder: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """This worker's database, for other processes."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    django_settings.MEDIA_ROOT = session_folder / "media"
    with django_db_blocker.unblock(), own_database(session_folder, worker) as url:
        django_db_blocker.block()
        yield url
        django_db_blocker.restore()


@pytest.fixture(scope="session")
def django_db_setup(database_url: str) -> Iterator[None]:
    """In place of pytest-django's, which knows nothing of schemas."""
    original = DatabaseWrapper.check_constraints

    def check_constraints(self: Any, table_names: Any = None) -> None:
        # Called when a test is over and so is its tenant; it names no table.
        with entered(EXPLICIT):
            original(self, table_names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseWrapper, "check_constraints", check_constraints)
        yield


@pytest.fixture(scope="session")
def _baseline(database_url: str) -> Iterator[Baseline]:
    baseline = Baseline(database_url)
    yield baseline
    baseline.close()


@pytest.fixture(scope="session")
def _tenants(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> dict[str, Tenant]:
    with django_db_blocker.unblock(), entered(PUBLIC):
        return {slug: Tenant.objects.get(slug=slug) for slug in TENANTS}


# ------------------------------------------------------------------------ each test


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """What a process remembers of one test is nothing to the next, and no test begins
    in one day and ends in another."""
    left = 86_400 - time.time() % 86_400  # of this day in UTC
    if left < 30:
        time.sleep(left)
    hosts.forget()
    yield
    assert current.get() is None, "the test left its tenant in force"


@pytest.fixture
def acme(_tenants: dict[str, Tenant]) -> Tenant:
    return copy.copy(_tenants["acme"])


@pytest.fixture
def globex(_tenants: dict[str, Tenant]) -> Tenant:
    """The other tenant; its people have the same ids as acme's."""
    return copy.copy(_tenants["globex"])


@pytest.fixture
def committed(
    request: pytest.FixtureRequest,
    django_db_blocker: DjangoDbBlocker,
    django_db_setup: None,
    _baseline: Baseline,
    _tenants: dict[str, Tenant],
) -> Iterator[None]:
    """Rows are committed, so that other threads and processes see them; afterwards
    everything is as it was, and no live server is still at work for this test."""
    assert "db" not in request.fixturenames, "one transaction hides what is committed"
    with django_db_blocker.unblock():
        yield
        settle(*_tenants.values())
        tenants_db.close_pools()
        if _baseline.restore() and servers.any_alive():
            time.sleep(hosts.TTL)


@pytest.fixture
def inline_units(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """tenants.db.unit works on the test's own thread and connection, and so inside
    its transaction. For async code that is called through async_to_sync."""

    def run(target: Any, work: Any, args: Any, kwargs: Any) -> Any:
        current.set(target)
        return work(*args, **kwargs)

    monkeypatch.setattr(tenants_db, "_run_unit", run)
    monkeypatch.setattr(tenants_db, "_on_thread", lambda call: sync_to_async(call)())


@pytest.fixture
def client_for(inline_units: None) -> Callable[..., TenantClient]:
    """`client_for(acme)` is nobody, `client_for(acme, "member")` one of the cast,
    `client_for(None)` the platform's host."""

    def make(tenant: Tenant | None, name: str = "", **options: Any) -> TenantClient:
        client = TenantClient(tenant, **options)
        return client.sign_in(name) if name else client

    return make


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A model provider that is a real HTTP server; see tests.factories.point_agent."""
    with Provider() as running:
        yield running


# ---------------------------------------------------------------------- live servers


@pytest.fixture(scope="session")
def _server_of(
    database_url: str, session_folder: Path
) -> Iterator[Callable[[Kind], LiveServer]]:
    started: dict[Kind, LiveServer] = {}

    def server_of(kind: Kind) -> LiveServer:
        if kind not in started:
            started[kind] = LiveServer(kind, database_url, session_folder)
            _servers[kind] = started[kind]
            started[kind].wait_ready()
        started[kind].output()  # only what this test makes it say is of interest
        return started[kind]

    yield server_of
    for kind, server in started.items():
        server.stop()
        del _servers[kind]


@pytest.fixture
def server(committed: None, _server_of: Callable[[Kind], LiveServer]) -> LiveServer:
    """The server of `make run`, one process for all tests of this worker."""
    return _server_of("daphne")


@pytest.fixture(params=KINDS)
def each_server(
    request: pytest.FixtureRequest,
    committed: None,
    _server_of: Callable[[Kind], LiveServer],
) -> LiveServer:
    """The test runs once on each kind of server."""
    return _server_of(request.param)


@pytest.fixture
def start_server(
    committed: None, database_url: str, session_folder: Path
) -> Iterator[Callable[..., LiveServer]]:
    """`start_server("uvicorn", TURN_IDLE_TIMEOUT="1")`: a server for this test alone,
    to be configured, stopped or killed."""
    started: list[LiveServer] = []

    def start(kind: Kind = "daphne", **environment: str) -> LiveServer:
        server = LiveServer(kind, database_url, session_folder, **environment)
        started.append(server)
        _servers[f"{kind} of its own, {len(started)}"] = server
        server.wait_ready()
        return server

    yield start
    for server in started:
        server.stop()
    for name in [name for name in _servers if name not in KINDS]:
        del _servers[name]
