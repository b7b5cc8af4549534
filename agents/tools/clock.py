"""The tool `datetime`: models know neither the day nor the hour."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import Any

from agents.tools.base import Tool, ToolContext, ToolError, object_schema


async def _now(context: ToolContext, arguments: dict[str, Any]) -> str:
    name = arguments.get("zone", "UTC")
    try:
        zone = zoneinfo.ZoneInfo(name)
    # The last for names that would leave its folder, or are one.
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError("There is no such time zone.") from None
    now = datetime.now(zone)
    return f"{now:%A}, {now.isoformat(timespec='seconds')} ({name})"


DATETIME = Tool(
    name="datetime",
    description="The current date, weekday and time.",
    schema=object_schema(
        zone={
            "type": "string",
            "description": "An IANA time zone such as Europe/Berlin.",
            "default": "UTC",
            "maxLength": 100,
        }
    ),
    run=_now,
)
