"""What is measured side by side: Parley, a byte relay, LiteLLM as it comes, LiteLLM's
proxy. Each is started on a free port, pinned to the cores it may use."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import Target, openai_delta, ui_delta
from bench.tenant import Prepared

# Servers have the first core, everything else the second.
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, OTHER_CORE = {CORES[0]}, {CORES[-1]}
PROXY = Path(sys.prefix) / "proxy" / "bin" / "litellm"
# An import of litellm takes long; the proxy also loads what it is made of.
_START_SECONDS = 90
# It refuses to start without one.
_PROXY_KEY = "sk-bench"


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    # For replies of what bench.provider plays by that name.
    target: Callable[[str], Target]


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    start: Callable[[], AbstractContextManager[Running]]
    # More streams than that, or more runs, take minutes for want of CPU.
    most_streams: int = 1000
    most_runs: int = 5


def contenders(folder: Path, provider: int, prepared: Prepared) -> list[Contender]:
    """Those this machine has; a missing one is named on standard error."""
    found = [
        Contender("Parley, 1 worker", lambda: parley(prepared, provider, 1)),
        Contender("Parley, 2 workers", lambda: parley(prepared, provider, 2)),
    ]
    if nginx := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"):
        relay = Contender(
            "byte relay (nginx)", lambda: byte_relay(nginx, folder, provider)
        )
        found.append(relay)
    else:
        print("nginx is not installed: no byte relay beside Parley", file=sys.stderr)
    found.append(Contender("LiteLLM as it comes", lambda: bare(provider), 100, 1))
    if PROXY.exists():
        found.append(
            Contender("LiteLLM's proxy", lambda: proxy(folder, provider), 100, 1)
        )
    else:
        print("make bench installs LiteLLM's proxy; it is not here", file=sys.stderr)
    return found


@contextmanager
def parley(prepared: Prepared, provider: int, workers: int) -> Iterator[Running]:
    port = free_port()
    command = ["-m", "uvicorn", "config.asgi:application", "--port", str(port)]
    command += ["--no-access-log", "--lifespan", "on", "--log-level", "warning"]
    command += ["--workers", str(workers)] if workers > 1 else []
    headers = {
        "Host": f"bench.localhost:{port}",
        "Authorization": f"Bearer {prepared.key}",
    }

    def target(model: str) -> Target:
        body = {"message": "Question @", "model": f"standin/{model}"}
        return Target(port, "/api/v1/chat", headers, body, ui_delta)

    environment = {**prepared.environment, "TURN_LIMIT": "2000"}
    cores = SERVER_CORE if workers == 1 else set(CORES)
    with _process([sys.executable, *command], environment, port, cores) as pid:
        yield Running(pid, target)


@contextmanager
def byte_relay(nginx: str, folder: Path, provider: int) -> Iterator[Running]:
    """nginx with one worker, which copies bytes and knows nothing of them."""
    port = free_port()
    temporary = "".join(
        f"{kind}_temp_path {folder}/nginx-{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
        daemon off; master_process off; pid {folder}/nginx.pid;
        error_log {folder}/nginx.log;
        events {{ worker_connections 8192; }}
        http {{ access_log off; {temporary}
          upstream provider {{ server 127.0.0.1:{provider}; keepalive 1024; }}
          server {{ listen 127.0.0.1:{port}; location / {{
            proxy_pass http://provider; proxy_buffering off;
            proxy_http_version 1.1; proxy_set_header Connection "";
          }} }}
        }}
        """
    )
    command = [nginx, "-c", str(configuration)]
    with _process(command, {}, port, SERVER_CORE) as pid:
        yield Running(pid, lambda model: _openai(port, model))


@contextmanager
def bare(provider: int) -> Iterator[Running]:
    port = free_port()
    command = ["-m", "uvicorn", "bench.bare:application", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning"]
    environment = {"BENCH_PROVIDER": f"http://127.0.0.1:{provider}/v1"}
    environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [sys.executable, *command]
    with _process(command, environment, port, SERVER_CORE) as pid:
        yield Running(pid, lambda model: _openai(port, model))


@contextmanager
def proxy(folder: Path, provider: int) -> Iterator[Running]:
    port = free_port()
    configuration = folder / "proxy.yaml"
    configuration.write_text(
        f"""
model_list:
  - model_name: "*"
    litellm_params:
      model: openai/*
      api_base: http://127.0.0.1:{provider}/v1
      api_key: bench
"""
    )
    command = [str(PROXY), "--config", str(configuration), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--num_workers", "1"]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True"}
    environment["LITELLM_MASTER_KEY"] = _PROXY_KEY
    with _process(command, environment, port, SERVER_CORE) as pid:
        yield Running(pid, lambda model: _openai(port, model))


def _openai(port: int, model: str) -> Target:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "Question @"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    headers = {"Authorization": f"Bearer {_PROXY_KEY}"}
    return Target(port, "/v1/chat/completions", headers, body, openai_delta)


@contextmanager
def stand_in() -> Iterator[int]:
    """The provider's port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.provider", "--port", str(port)]
    with _process(command, {}, port, OTHER_CORE):
        yield port


@contextmanager
def _process(
    command: Sequence[str], environment: dict[str, str], port: int, cores: set[int]
) -> Iterator[int]:
    """A process that listens on `port`, until the block is left."""
    # Without our DATABASE_URL, which LiteLLM's proxy would take for its own.
    ours = {name: text for name, text in os.environ.items() if "DATABASE" not in name}
    process = subprocess.Popen(
        command,
        env={**ours, **environment, "PORT": str(port)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.sched_setaffinity(process.pid, cores)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not start.")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
