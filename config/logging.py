"""Logs through structlog: one line an event, always with the tenant; docs/logs.md.

`json` for machines, `console` for people. Never the text of a message, never a key;
that goes for what Django, the servers and exceptions say as well.
"""

from __future__ import annotations

import json
import logging.config
import sys
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from llm.errors import redact
from tenants.db import current

_REASON_LENGTH = 300


def add_tenant(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The schema the code that logs works for; absent outside any."""
    scope = current.get()
    if scope is not None and scope.schema_name:
        event.setdefault("tenant", scope.schema_name)
    return event


def tidy_foreign(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Libraries write exceptions into their messages (asyncio, daphne): one line
    stays, and a traceback becomes the exception it was."""
    text = str(event["event"])
    if "Traceback (most recent call last)" in text and sys.exc_info()[0] is not None:
        event.setdefault("exc_info", sys.exc_info())
    event["event"] = redact(text.partition("\n")[0])
    return event


class _Exceptions:
    """An exception as data, its causes first: where it was, and why in one line.

    No local variables, which hold what people wrote, and keys. Nor the lines below
    the first: PostgreSQL repeats the whole row there, validators the input.
    """

    def __init__(self) -> None:
        self._transform = structlog.tracebacks.ExceptionDictTransformer(
            show_locals=False
        )

    def __call__(self, exc_info: ExcInfo) -> list[dict[str, Any]]:
        stacks = self._transform(exc_info)
        for stack in stacks:
            _shorten(stack)
        return stacks


def _shorten(stack: dict[str, Any]) -> None:
    reason = redact(stack["exc_value"].partition("\n")[0])
    stack["exc_value"] = reason[:_REASON_LENGTH]
    stack["exc_notes"] = []
    for trace in stack["exceptions"]:
        for inner in trace["stacks"]:
            _shorten(inner)


def _write_exception(out: TextIO, error: ExcInfo) -> None:
    for stack in reversed(_exceptions(error)):
        for frame in stack["frames"]:
            out.write(f"\n  {frame['filename']}:{frame['lineno']} in {frame['name']}")
        out.write(f"\n{stack['exc_type']}: {stack['exc_value']}")


_exceptions = _Exceptions()
_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    add_tenant,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
_LEVELS = {
    **dict.fromkeys(("chat", "tenants", "agents", "usage", "accounts"), "INFO"),
    # What an MCP server says is no line of ours, and it may say very much; agents.mcp
    # logs what went wrong.
    "mcp": "CRITICAL",
    # Their own handlers, Django's mail to ADMINS among them, know none of the rules.
    "django": "WARNING",
    # Each 401 and 404 would be a warning; parley_http_requests_total counts them.
    "django.request": "ERROR",
    "django.server": "WARNING",
    "uvicorn.error": "WARNING",
}


def _json(event: EventDict, default: Any = repr, **_: Any) -> str:
    """What cannot be JSON as its `repr`, dataclasses too, whose may leave out what must
    not be told; a lone surrogate as a question mark."""
    try:
        option = orjson.OPT_PASSTHROUGH_DATACLASS
        return orjson.dumps(event, default=default, option=option).decode()
    except orjson.JSONEncodeError:
        text = json.dumps(event, default=default, ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()


def configure(settings: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG; `settings["format"]` is json or console."""
    if settings["format"] == "json":
        tail: list[Any] = [
            structlog.processors.ExceptionRenderer(_exceptions),
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    else:
        tail = [
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=_write_exception
            )
        ]
    # What no line of ours shows is not looked for, three times a turn: who called, in
    # which thread and which process. So says Python's documentation.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [tidy_foreign, *_SHARED],
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        *tail,
                    ],
                }
            },
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "structured",
                }
            },
            "root": {"handlers": ["stderr"], "level": "WARNING"},
            "loggers": {
                name: {"level": level, "handlers": [], "propagate": True}
                for name, level in _LEVELS.items()
            },
        }
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
