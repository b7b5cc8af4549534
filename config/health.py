"""Is this process alive, and can it work? Answered on any Host."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from llm import is_loaded
from tenants.db import EXPLICIT, PUBLIC, entered, unit

_migrated = False


async def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


async def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, the public schema is migrated and the engine is
    loaded; else 503 with the reason."""
    try:
        problem = await unit(PUBLIC, _problem)
    except DatabaseError:
        problem = "the database cannot be reached"
    if not problem and not is_loaded():
        problem = "the engine is still loading"
    if problem:
        response = JsonResponse(
            {"status": "unavailable", "reason": problem}, status=503
        )
        # Waiting is what a probe is for; Django would log each time as an error.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response
    return JsonResponse({"status": "ok"})


def _problem() -> str:
    global _migrated
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        with entered(EXPLICIT):
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "migrations are missing"
        # A process that was ready stays so: its own code does not change any more.
        _migrated = True
    return ""
