"""One call of a tool: arguments checked, time and size limited, its answer cleaned."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import jsonschema
import structlog
from jsonschema.exceptions import SchemaError
from jsonschema.exceptions import ValidationError as Misfit
from rest_framework.exceptions import ParseError

from accounts.parsers import load_json
from agents.tools.base import Tool, ToolContext, ToolError

logger = structlog.get_logger(__name__)

OUTPUT_BYTES: Final = 64 * 1024
# Stands where the rest of an answer was.
LEFT_OUT: Final = "\n[The rest was left out: it was too long.]"
_INTERNAL: Final = "The tool failed for a reason that is not yours. Do without it."
# Keys that JSON readers in JavaScript refuse for what they could do there.
_REFUSED: Final = frozenset({"__proto__", "constructor", "prototype"})
_DEPTH: Final = 32
# Of control characters only these have a place in a text.
_KEPT: Final = frozenset("\n\t")


def read_arguments(text: str) -> Any:
    """The JSON of a call as it can be stored and shown; cleaned text if it is none."""
    try:
        value = load_json(text.encode())
    except (ParseError, UnicodeEncodeError):
        return clean(text)
    return value if _is_harmless(value) else clean(text)


async def call(tool: Tool, context: ToolContext, given: Any) -> str:
    """The tool's answer to `given`, as `read_arguments` made it.

    Raises ToolError for whatever went wrong; a fault of ours is logged.
    """
    _check(tool, given)
    try:
        async with asyncio.timeout(tool.seconds):
            output = await tool.run(context, given)
    except TimeoutError:
        raise ToolError(f"No answer within {tool.seconds:g} seconds.") from None
    except ToolError as error:
        raise ToolError(limited(str(error))) from error
    except Exception as error:  # the edge of what a tool may do, logged
        logger.exception("tool crashed", tool=tool.name)
        raise ToolError(_INTERNAL) from error
    return limited(output)


def limited(text: str) -> str:
    """What of an answer is passed on."""
    # Cut first: cleaning takes time, and there may be very much of it.
    return cut(clean(text[: OUTPUT_BYTES + 1]), OUTPUT_BYTES)


def cut(text: str, size: int) -> str:
    """At most so many bytes of it; however little that is, it says so."""
    if len(text.encode()) <= size:
        return text
    room = max(0, size - len(LEFT_OUT.encode()))
    return text.encode()[:room].decode(errors="ignore") + LEFT_OUT


def clean(text: str) -> str:
    """Without what PostgreSQL cannot keep and what no reader can see."""
    text = text.encode("utf-8", "replace").decode().replace("\r\n", "\n")
    if text.isprintable():
        return text
    return "".join(c for c in text if c >= " " or c in _KEPT).replace("\x7f", "")


def _check(tool: Tool, given: Any) -> None:
    if not isinstance(given, dict):
        raise ToolError("The arguments are not a JSON object.")
    if not tool.checks_arguments:
        return
    try:
        jsonschema.validate(given, dict(tool.schema))
    except Misfit as error:
        place = "/".join(map(str, error.absolute_path)) or "the arguments"
        raise ToolError(
            limited(f"Wrong arguments, at {place}: {error.message}")
        ) from None
    except SchemaError:
        raise ToolError("The tool describes its arguments wrongly.") from None


def _is_harmless(value: Any, depth: int = _DEPTH) -> bool:
    """Whether every reader on its way takes it: orjson refuses longer numbers and
    deeper nesting, and a reply that cannot be written as JSON ends its conversation. In
    PostgreSQL a large 1e30 becomes such a number too."""
    if isinstance(value, (int, float)):
        return -(2**63) <= value < 2**63
    if isinstance(value, dict):
        if _REFUSED & value.keys():
            return False
        value = value.values()
    elif not isinstance(value, list):
        return True
    return depth > 0 and all(_is_harmless(inner, depth - 1) for inner in value)
