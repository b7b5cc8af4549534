"""The parts of a message in our own JSON, calls of tools included.

What is imported is a record: nothing in it runs here, and nobody is asked.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from django.utils.translation import gettext as _

from agents.tools.base import NAME
from agents.tools.running import read_arguments
from chat.importing.drafts import UnusableError, dict_of, list_of, text_of
from chat.parts import STEP, UNFINISHED, is_tool, tool_name

_TEXTS: Final = ("text", "reasoning")
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Those in which a call has a result, and where that is.
_RESULTS: Final = {
    "output-available": "output",
    "output-error": "errorText",
    "output-denied": "",
}
_LONGEST_MS: Final = 24 * 60 * 60 * 1000
_OPEN: Final = ("input-available", "approval-requested", "approval-responded")


def parts_of(given: object, *, from_model: bool) -> list[dict[str, Any]]:
    """Raises UnusableError; only a model calls tools and thinks."""
    parts = [_part(part) for part in list_of(given, "A message's parts")]
    ids = [part["toolCallId"] for part in parts if is_tool(part)]
    if len(set(ids)) != len(ids):
        raise UnusableError(_("Two calls of a message have the same id."))
    if not from_model and any(part["type"] != "text" for part in parts):
        raise UnusableError(_("A user's message has parts that only a model writes."))
    return parts


def _part(value: object) -> dict[str, Any]:
    part = dict_of(value, "A part")
    kind = part.get("type")
    if kind in _TEXTS:
        return {"type": kind, "text": text_of(part.get("text"), "A part")}
    if kind == STEP:
        return {"type": STEP}
    if isinstance(kind, str) and is_tool(part) and NAME.fullmatch(tool_name(part)):
        return _call(part)
    raise UnusableError(_("A message has parts of a kind that is not known here."))


def _call(part: dict[str, Any]) -> dict[str, Any]:
    call_id = text_of(part.get("toolCallId"), "A call's id")
    if not _CALL_ID.fullmatch(call_id):
        raise UnusableError(_("A call's id is none."))
    made = {
        "type": part["type"],
        "toolCallId": call_id,
        # As strict as with a model's own.
        "input": read_arguments(json.dumps(part.get("input"))),
    }
    state = part.get("state")
    if state in _OPEN:  # nobody waits for it here
        return {**made, "state": "output-error", "errorText": UNFINISHED}
    if not isinstance(state, str) or state not in _RESULTS:
        raise UnusableError(_("A call of a tool has no known state."))
    made["state"] = state
    if result := _RESULTS[state]:
        made[result] = text_of(part.get(result), "What a tool said")
    took = part.get("durationMs")
    if type(took) is int and 0 <= took <= _LONGEST_MS:
        made["durationMs"] = took
    if "approval" in part:
        approval = dict_of(part["approval"], "An approval")
        made["approval"] = {
            "id": text_of(approval.get("id"), "An approval's id"),
            "approved": approval.get("approved") is True,
        }
    return made
