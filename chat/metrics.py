"""What is counted and measured of turns, for Prometheus; docs/metrics.md explains each.

Labels take few values and name nobody: no tenant, user, conversation or agent. No model
either: its name is whatever an admin typed, so one tenant could make series without
end; the log lines of a turn and the ledger have it. Nothing here is touched for each
token. config.metrics puts the processes' numbers together.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_WAITS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30)
_TURNS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_SPEEDS = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500)
_WRITES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_LATE = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

# ------------------------------------------------------------------------------- turns
# `provider` is the kind of provider, a closed list (llm.catalogue.provider_names()).
TURNS: Final = Counter(
    "parley_turns", "Turns that ended.", ["provider", "status", "code"]
)
FIRST_TOKEN: Final = Histogram(
    "parley_turn_first_token_seconds",
    "From a turn's start to its first token.",
    ["provider"],
    buckets=_WAITS,
)
SPEED: Final = Histogram(
    "parley_turn_tokens_per_second",
    "Tokens a second of complete replies, from the first token to the last.",
    ["provider"],
    buckets=_SPEEDS,
)
DURATION: Final = Histogram(
    "parley_turn_duration_seconds",
    "From a turn's start to the provider's last word.",
    ["status"],
    buckets=_TURNS,
)
PERSISTENCE: Final = Histogram(
    "parley_turn_persistence_seconds",
    "From the provider's last word to the stored reply.",
    buckets=_WRITES,
)
PERSISTENCE_RETRIES: Final = Counter(
    "parley_turn_persistence_retries", "Attempts to store an ended turn that failed."
)
LOST: Final = Counter(
    "parley_turns_lost", "Turns whose end this process could not store."
)
REFUSED: Final = Counter(
    "parley_turns_refused", "Turns refused because the process runs as many as it may."
)
RECOVERED: Final = Counter(
    "parley_turns_recovered", "Turns of dead processes that this one ended."
)
LIVE_TURNS: Final = Gauge(
    "parley_live_turns",
    "Turns that run, their storing included.",
    multiprocess_mode="livesum",
)
TASKS: Final = Gauge(
    "parley_turn_tasks",
    "Tasks that begin a turn, run it, store it or make a title after it.",
    multiprocess_mode="livesum",
)
TURN_LIMIT: Final = Gauge(
    "parley_turn_limit",
    "Turns that all processes together may run.",
    multiprocess_mode="livesum",
)
READERS: Final = Gauge(
    "parley_live_readers", "Open streams.", multiprocess_mode="livesum"
)

# --------------------------------------------------------------------------- providers
PROVIDER_ERRORS: Final = Counter(
    "parley_provider_errors",
    "Calls of providers that failed, those that were tried again included.",
    ["provider", "code"],
)
PROVIDER_RETRIES: Final = Counter(
    "parley_provider_retries", "Calls of providers that were tried again.", ["provider"]
)
FALLBACKS: Final = Counter(
    "parley_provider_fallbacks",
    "Turns that went on with another model, by the provider that failed.",
    ["provider"],
)

# ----------------------------------------------------------------- the log of the turns
FLUSH_DURATION: Final = Histogram(
    "parley_flush_duration_seconds",
    "One tenant's running turns written to the database.",
    buckets=_WRITES,
)
FLUSH_FAILURES: Final = Counter(
    "parley_flush_failures", "Writes of running turns that failed."
)
FLUSH_LAG: Final = Gauge(
    "parley_flush_lag_seconds",
    "Age of the oldest events that are only in a process's memory, at most.",
    multiprocess_mode="livemax",
)
LISTENING: Final = Gauge(
    "parley_notices_listening",
    "Processes that hear the database's notices.",
    multiprocess_mode="livesum",
)
SWEEPS: Final = Counter(
    "parley_sweeps", "Searches for turns of dead processes.", ["result"]
)

# ----------------------------------------------------------------------- the processes
PROCESSES: Final = Gauge(
    "parley_processes", "Server processes that live.", multiprocess_mode="livesum"
)
READY: Final = Gauge(
    "parley_processes_ready",
    "Server processes whose engine is loaded.",
    multiprocess_mode="livesum",
)
LOOP_LAG: Final = Histogram(
    "parley_event_loop_lag_seconds",
    "How much later than planned a process's event loop came to a timer.",
    buckets=_LATE,
)
POOL_SIZE: Final = Gauge(
    "parley_db_pool_connections",
    "Database connections that are open.",
    multiprocess_mode="livesum",
)
POOL_LIMIT: Final = Gauge(
    "parley_db_pool_limit",
    "Database connections that all pools together may open.",
    multiprocess_mode="livesum",
)
POOL_IN_USE: Final = Gauge(
    "parley_db_pool_in_use",
    "Database connections that are lent out.",
    multiprocess_mode="livesum",
)
POOL_WAITING: Final = Gauge(
    "parley_db_pool_waiting",
    "Threads that wait for a database connection.",
    multiprocess_mode="livesum",
)
POOL_QUEUED: Final = Counter(
    "parley_db_pool_queued", "Requests for a connection that had to wait."
)
POOL_QUEUED_SECONDS: Final = Counter(
    "parley_db_pool_queued_seconds", "What they waited, in all."
)
POOL_ERRORS: Final = Counter(
    "parley_db_pool_errors", "Requests for a connection that got none in time."
)
