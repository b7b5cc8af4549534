"""What changed from one revision of an agent to another."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from agents.models import REVISED, AgentRevision


@dataclass(frozen=True, slots=True)
class Difference:
    """Numbers of two revisions; a unified diff of their prompts, empty if they are
    equal; old and new value of each other field that differs."""

    old: int
    new: int
    prompt: str
    changed: dict[str, list[Any]]


def difference(old: AgentRevision, new: AgentRevision) -> Difference:
    lines = difflib.unified_diff(
        old.system_prompt.splitlines(),
        new.system_prompt.splitlines(),
        fromfile=f"revision {old.number}",
        tofile=f"revision {new.number}",
        lineterm="",
    )
    before, after = old.content, new.content
    return Difference(
        old=old.number,
        new=new.number,
        prompt="\n".join(lines),
        changed={
            name: [before[name], after[name]]
            for name in REVISED
            if name != "system_prompt" and before[name] != after[name]
        },
    )
