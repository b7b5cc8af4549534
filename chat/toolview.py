"""A call of a tool as the page shows it, in the stream and in the history.

Inputs and outputs are text from anywhere: the template escapes them.
"""

from __future__ import annotations

import json
from typing import Any, Final

from django.template.loader import get_template
from django.utils.formats import number_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from chat.parts import Part, tool_name

_STATES: Final = {
    "input-available": gettext_lazy("running"),
    "approval-requested": gettext_lazy("waiting for you"),
    "approval-responded": gettext_lazy("running"),
    "output-available": gettext_lazy("done"),
    "output-error": gettext_lazy("failed"),
    "output-denied": gettext_lazy("not allowed"),
}
# What nobody would read on a page; the stored part has all of it.
_SHOWN: Final = 20_000


def render_tool(part: Part) -> SafeString:
    # The template has escaped all of it.
    html = get_template("chat/_tool.html").render(tool_view(part))
    return mark_safe(html.strip())  # noqa: S308


def tool_view(part: Part) -> dict[str, str]:
    """What there is to show of a call: all of it text."""
    return {
        "name": tool_name(part),
        "state": part["state"],
        "said": _STATES.get(part["state"], ""),
        "given": _text(part["input"])[:_SHOWN],
        "output": str(part.get("output") or part.get("errorText") or "")[:_SHOWN],
        "took": _duration(part.get("durationMs")),
        "approval": (part.get("approval") or {}).get("id", ""),
    }


def _duration(ms: int | None) -> str:
    """In the language in force; empty where nobody measured it."""
    if ms is None:
        return ""
    return f"{ms} ms" if ms < 1000 else f"{number_format(ms / 1000, 1)} s"


def _text(given: Any) -> str:
    if isinstance(given, str):
        return given
    return json.dumps(given, ensure_ascii=False, indent=2) if given else ""
