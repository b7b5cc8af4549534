"""Logs through structlog: one line an event, always with the tenant.

`json` for machines, `console` for people. Never the text of a message, never a key.
"""

from __future__ import annotations

import logging.config
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from tenants.db import current


def add_tenant(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The schema the code that logs works for; absent outside any."""
    scope = current.get()
    if scope is not None and scope.schema_name:
        event.setdefault("tenant", scope.schema_name)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    add_tenant,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure(settings: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG; `settings["format"]` is json or console."""
    if settings["format"] == "json":
        tail: list[Any] = [
            structlog.processors.ExceptionRenderer(
                # Local variables hold what people wrote, and keys.
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(),
        ]
    else:
        tail = [
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": _SHARED,
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
                name: {"level": "INFO"} for name in ("chat", "tenants", "agents")
            },
        }
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
