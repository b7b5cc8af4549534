"""/metrics: who may look, what is counted, and that several processes add up."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncRequestFactory
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from pytest_django import Settings

import chat.metrics
import config.metrics
from chat.models import Turn
from chat.sse import EventStreamResponse
from config.metrics import MetricsMiddleware, metrics
from config.metrics_folder import forget_dead, shared_metrics
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.talk import CHAT, Stream, Talk
from tests.config.metrics import scrape, wait_for
from tests.factories import point_agent
from tests.provider import Answer, Provider
from tests.servers import LiveServer

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-scrapers"


# ------------------------------------------------------------------------ who may look


def status(peer: str = "127.0.0.1", method: str = "GET", **headers: str) -> int:
    request = AsyncRequestFactory().generic(method, "/metrics", headers=headers)
    request.META["REMOTE_ADDR"] = peer
    answer = asyncio.run(metrics(request))
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert (b"parley_" in answer.content) == (answer.status_code == 200)
    return answer.status_code


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", 200),
        ("127.8.9.10", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.7", 403),
        ("::ffff:10.0.0.7", 403),
        ("2001:db8::1", 403),
        ("", 403),
        ("localhost", 403),
    ],
)
def test_without_a_token_only_this_machine_may_look(peer: str, expected: int) -> None:
    assert status(peer) == expected


@pytest.mark.parametrize("name", config.metrics._FORWARDED)
def test_without_a_token_nobody_looks_through_a_proxy_on_this_machine(
    name: str,
) -> None:
    assert status(**{name: "127.0.0.1"}) == 403


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        ("", 403),
        ("Bearer", 403),
        (f"Bearer {TOKEN}x", 403),
        (f"Bearer {TOKEN[:-1]}", 403),
        (f"Basic {TOKEN}", 403),
        (TOKEN, 403),
        ("Bearer ü", 403),
    ],
)
def test_with_a_token_nothing_else_counts(
    settings: Settings, given: str, expected: int
) -> None:
    settings.METRICS_TOKEN = TOKEN
    assert status("127.0.0.1", authorization=given) == expected
    forwarded = {"authorization": given, "x-forwarded-for": "192.0.2.1"}
    assert status("10.0.0.7", **forwarded) == expected


def test_only_get_is_answered() -> None:
    assert status(method="POST") == 405


# --------------------------------------------------------------------- what is counted


def counted(path: str, method: str, answer: HttpResponseBase) -> dict[str, float]:
    """What one request adds to the metrics of requests."""

    async def respond(request: HttpRequest) -> HttpResponseBase:
        return answer

    def read() -> dict[str, float]:
        return {
            f"{s.name}{sorted(s.labels.values())}": s.value
            for family in REGISTRY.collect()
            if family.name.startswith("parley_http")
            for s in family.samples
            if s.name.endswith(("_total", "_count"))
        }

    before = read()
    request = AsyncRequestFactory().generic(method, path)
    asyncio.run(MetricsMiddleware(respond)(request))
    return {
        name: value - before.get(name, 0)
        for name, value in read().items()
        if value != before.get(name, 0)
    }


def test_a_request_is_counted_by_method_and_class_of_status() -> None:
    assert counted("/api/v1/agents", "GET", HttpResponse(status=404)) == {
        "parley_http_requests_total['4xx', 'GET']": 1,
        "parley_http_request_duration_seconds_count['GET']": 1,
    }


def test_a_made_up_method_makes_no_series_of_its_own() -> None:
    assert counted("/", "BREW1234", HttpResponse(status=405)) == {
        "parley_http_requests_total['4xx', 'other']": 1,
        "parley_http_request_duration_seconds_count['other']": 1,
    }


def test_streams_and_sends_stay_out_of_the_durations() -> None:
    async def nothing() -> Any:
        yield b""

    assert counted(CHAT, "POST", EventStreamResponse(nothing())) == {
        "parley_http_requests_total['2xx', 'POST']": 1,
        "parley_http_stream_opening_seconds_count[]": 1,
    }
    assert counted(CHAT, "POST", HttpResponse(b"{}")) == {
        "parley_http_requests_total['2xx', 'POST']": 1
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/static/a.css"])
def test_probes_and_static_files_are_not_counted(path: str) -> None:
    assert counted(path, "GET", HttpResponse()) == {}


# ------------------------------------------------------------------- several processes


def test_a_start_empties_what_a_killed_server_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # restored afterwards
    with shared_metrics(tmp_path, 8000) as folder:
        (folder / "counter_1.db").touch()
        with shared_metrics(tmp_path, 8001) as other:
            assert other != folder
        with shared_metrics(tmp_path, 8000) as again:
            assert list(again.iterdir()) == []


def test_a_dead_process_leaves_its_counts_and_takes_its_gauges(tmp_path: Path) -> None:
    for name in ("7.alive", "gauge_livesum_7.db", "counter_7.db", "gauge_livemax_8.db"):
        (tmp_path / name).touch()
    forget_dead(tmp_path)
    # Nobody knows yet whether 8 lives: it is just starting.
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"counter_7.db", "gauge_livemax_8.db"}


def worker_of(stream: Stream, tenant: Tenant) -> int:
    """The id of the process that runs a stream's turn."""
    with entered(tenant.scope):
        turn = Turn.objects.get(reply=stream.start["messageId"])
        return int(turn.worker.split(":")[1])


@pytest.fixture
def two_workers(
    start_server: Callable[..., LiveServer], acme: Tenant, provider: Provider
) -> Iterator[Talk]:
    point_agent(acme, provider.url)
    server = start_server("two workers", TURN_DEAD_AFTER="5", TURN_SHUTDOWN_GRACE="1")
    with Talk(server, acme, provider) as talk:
        yield talk


@pytest.mark.long
def test_two_workers_add_up_and_a_dead_one_takes_its_gauges_along(
    two_workers: Talk,
) -> None:
    server, tenant = two_workers.server, two_workers.tenant
    # Loading the engine keeps a loop so busy that its turns might count as dead.
    wait_for(server, 2, "parley_processes_ready")
    two_workers.provider.on("some-model", Answer(tokens=3000, pace=20))
    held: dict[int, list[Stream]] = {}
    with ExitStack() as readers:
        while len(held) < 2 or sum(map(len, held.values())) < 4:
            # A connection each, so that the kernel chooses the worker anew.
            talk = readers.enter_context(Talk(server, tenant, two_workers.provider))
            stream = readers.enter_context(talk.open())
            stream.until("text-delta")
            held.setdefault(worker_of(stream, tenant), []).append(stream)
            assert sum(map(len, held.values())) < 40
        live = sum(map(len, held.values()))
        seen = wait_for(server, live, "parley_live_turns")
        assert seen.value("parley_live_readers") == live
        assert seen.value("parley_turn_first_token_seconds_count") == live
        assert seen.value("parley_turn_limit") == 1000
        assert seen.value("parley_turns_total") == 0
        assert seen.value("parley_notices_listening") == 2
        victim = min(held)
        assert victim in {p.pid for p in psutil.Process(server.pid).children()}
        os.kill(victim, signal.SIGKILL)
        dead = len(held[victim])
        left = live - dead
        wait_for(server, dead, "parley_turns_recovered_total")
        seen = wait_for(server, left, "parley_live_turns")
        assert seen.value("parley_live_readers") == left
        # What the dead one had counted still counts.
        assert seen.value("parley_turn_first_token_seconds_count") == live
        ended = {"status": "interrupted", "provider": "openai_compatible"}
        assert seen.value("parley_turns_total", **ended) == dead
        wait_for(server, 2, "parley_processes")
    assert "Child process" in server.output()


def test_any_host_is_answered(server: LiveServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for host in ("acme.localhost", "nobody.example", "127.0.0.1"):
            answer = client.get("/metrics", headers={"Host": host})
            assert answer.status_code == 200
        forwarded = client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
        assert forwarded.status_code == 403


def test_what_a_turn_leaves_in_the_metrics(
    start_server: Callable[..., LiveServer], acme: Tenant, provider: Provider
) -> None:
    point_agent(acme, provider.url)
    server = start_server("daphne")
    # What comes at one moment has no speed.
    provider.enqueue(Answer(held_after=1), Answer(status=503), Answer(status=503))
    with Talk(server, acme, provider) as talk:
        with talk.open() as stream:
            stream.until("text-delta")
            provider.let_go()
            stream.rest()
        talk.send()
        assert talk.client.get("/api/v1/no-such-thing").status_code == 404
    seen = scrape(server)
    kind = {"provider": "openai_compatible"}
    turns = "parley_turns_total"
    assert seen.value(turns, **kind, status="done", code="") == 1
    failed = {"status": "failed", "code": "provider_unavailable"}
    assert seen.value(turns, **kind, **failed) == 1
    unavailable = {**kind, "code": "provider_unavailable"}
    assert seen.value("parley_provider_errors_total", **unavailable) == 2
    assert seen.value("parley_provider_retries_total", **kind) == 1
    assert seen.value("parley_turn_first_token_seconds_count", **kind) == 1
    assert seen.value("parley_turn_tokens_per_second_count", **kind) == 1
    assert seen.value("parley_turn_duration_seconds_count") == 2
    assert seen.value("parley_turn_persistence_seconds_count") == 2
    assert seen.value("parley_http_stream_opening_seconds_count") == 2
    assert seen.value("parley_http_requests_total", status="4xx") == 1
    assert seen.value("parley_db_pool_limit") == 8
    assert seen.value("parley_build_info") == 1


# --------------------------------------------------------------------------- documents


def defined() -> dict[str, tuple[str, str]]:
    """Every metric under the name that Prometheus sees: its type and labels."""
    kinds = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
    found = {
        **vars(chat.metrics),
        **vars(config.metrics),
    }.values()
    return {
        each._name + ("_total" if type(each) is Counter else ""): (
            kinds[type(each)],
            ", ".join(f"`{label}`" for label in each._labelnames),
        )
        for each in found
        if isinstance(each, Counter | Gauge | Histogram)
    }


def test_the_table_has_every_metric_and_no_other() -> None:
    table = {
        row[0]: (row[1], row[2])
        for row in re.findall(
            r"^\| `(parley_\w+)` \| (\w+) \| (.*?) ?\|",
            (ROOT / "docs/metrics.md").read_text(),
            re.M,
        )
    }
    assert table == defined()


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard = json.loads((ROOT / "docs/grafana-dashboard.json").read_text())
    expressions = [
        target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    used = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for expression in expressions
        for name in re.findall(r"\bparley_\w+", expression)
    }
    assert used == set(defined())
