"""`/metrics` for Prometheus: the numbers of all processes of this server, added up.

chat.metrics has those of turns; here are requests, the build, and who may look.
"""

from __future__ import annotations

import asyncio
import ipaddress
import platform
import secrets
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from chat.sse import EventStreamResponse
from config import statics
from config.metrics_folder import forget_dead, shared_folder, show_alive
from tenants.middleware import ANY_HOST, AsyncMiddleware

_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
REQUESTS: Final = Counter(
    "parley_http_requests", "Answered requests.", ["method", "status"]
)
REQUEST_DURATION: Final = Histogram(
    "parley_http_request_duration_seconds",
    "From a request to its answer; streams and sends apart.",
    ["method"],
    buckets=_SECONDS,
)
STREAM_OPENING: Final = Histogram(
    "parley_http_stream_opening_seconds",
    "From a request to the beginning of its stream.",
    buckets=_SECONDS,
)
IN_PROGRESS: Final = Gauge(
    "parley_http_requests_in_progress",
    "Requests of any kind without an answer, or the beginning of one, as yet.",
    multiprocess_mode="livesum",
)
BUILD: Final = Gauge(
    "parley_build_info",
    "Always 1; the labels say what runs.",
    ["version", "python", "django"],
    multiprocess_mode="livemax",
)

# What a proxy says about itself. With one in front the peer is always the proxy.
_FORWARDED: Final = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-Ip",
)
# Reading the other processes' files takes milliseconds, which no stream should wait.
_thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")


def begin() -> None:
    """At the start of each server process."""
    if folder := shared_folder():
        show_alive(folder)
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    version = project["project"]["version"]
    BUILD.labels(version, platform.python_version(), django.get_version()).set(1)


async def metrics(request: HttpRequest) -> HttpResponse:
    """GET /metrics: Prometheus' text format, or 403 as plain text."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"], content_type="text/plain")
    if not _may_look(request):
        refusal = (
            "Metrics need the token of METRICS_TOKEN, or a peer on this machine.\n"
        )
        return HttpResponse(refusal, status=403, content_type="text/plain")
    text = await asyncio.get_running_loop().run_in_executor(_thread, exposition)
    return HttpResponse(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def exposition() -> bytes:
    """What this process and those it shares its metrics with have counted."""
    folder = shared_folder()
    if folder is None:
        return generate_latest(REGISTRY)
    forget_dead(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _may_look(request: HttpRequest) -> bool:
    """By the token; without one from this machine, if nobody forwards from it."""
    if settings.METRICS_TOKEN:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Headers arrive as latin1, whatever their bytes mean.
        return scheme.lower() == "bearer" and secrets.compare_digest(
            given.strip().encode("latin1"), settings.METRICS_TOKEN.encode()
        )
    if any(name in request.headers for name in _FORWARDED):
        return False
    return _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class MetricsMiddleware(AsyncMiddleware):
    """Counts and times requests; not probes, scrapes and static files."""

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        with IN_PROGRESS.track_inprogress():
            response = await self.get_response(request)
        if request.path not in ANY_HOST and not request.path.startswith(statics.PREFIX):
            _count(request, response, time.perf_counter() - started)
        return response


def _count(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    # A client may send any word as a method; each would be a series.
    method = request.method if request.method in _METHODS else "other"
    REQUESTS.labels(method, f"{response.status_code // 100}xx").inc()
    if isinstance(response, EventStreamResponse):
        STREAM_OPENING.observe(seconds)
    elif request.path != "/api/v1/chat" or method != "POST":
        # A send without a stream lasts as long as its turn.
        REQUEST_DURATION.labels(method).observe(seconds)
