"""What changed from one revision of an agent to another."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from agents.models import REVISED, AgentRevision

# Longer prompts are shown as replaced: difflib's time grows with the square of the
# lines, to 16 s where every other one of 20,000 has changed.
_LINES = 500
_NAMES = {
    "model": gettext_lazy("model"),
    "parameters": gettext_lazy("parameters"),
    "fallbacks": gettext_lazy("fallback models"),
    "tools": gettext_lazy("tools"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Numbers of two revisions; a unified diff of their prompts, empty if they are
    equal; old and new value of each other field that differs."""

    old: int
    new: int
    prompt: str
    changed: dict[str, list[Any]]


def difference(old: AgentRevision, new: AgentRevision) -> Difference:
    before, after = old.content, new.content
    return Difference(
        old=old.number,
        new=new.number,
        prompt="\n".join(_prompt_lines(old, new)),
        changed={
            name: [before[name], after[name]]
            for name in REVISED
            if name != "system_prompt" and before[name] != after[name]
        },
    )


def in_words(change: Difference) -> Difference:
    """With the names and values as a page shows them."""
    changed: dict[str, list[Any]] = {
        str(_NAMES[name]): [_words(value) for value in values]
        for name, values in change.changed.items()
    }
    return replace(change, changed=changed)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{name} {_words(inner)}" for name, inner in value.items()]
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or gettext("none")
    return str(value)


def _prompt_lines(old: AgentRevision, new: AgentRevision) -> Iterable[str]:
    text = gettext("revision %(number)d")
    names = (text % {"number": old.number}, text % {"number": new.number})
    before, after = old.system_prompt.splitlines(), new.system_prompt.splitlines()
    if before == after or max(len(before), len(after)) <= _LINES:
        return difflib.unified_diff(before, after, *names, lineterm="")
    return [
        *(f"--- {names[0]}", f"+++ {names[1]}"),
        f"@@ -1,{len(before)} +1,{len(after)} @@",
        *(f"-{line}" for line in before),
        *(f"+{line}" for line in after),
    ]
