"""What is shown of the change from one revision to another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import pytest

from agents.history import difference
from agents.models import AgentRevision


def prompts(*lines: list[str]) -> list[AgentRevision]:
    return [
        AgentRevision(number=number, system_prompt="\n".join(each))
        for number, each in enumerate(lines, 1)
    ]


def test_a_very_long_prompt_is_not_compared_line_by_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its time grows with the square of the lines."""
    compared: list[int] = []

    def count(before: list[str], after: list[str], *_: str, **__: str) -> Iterator[str]:
        compared.append(len(before))
        return iter(())

    monkeypatch.setattr(difflib, "unified_diff", count)
    same = [f"{number}" for number in range(10_000)]
    shown = difference(*prompts([*same, "old"], [*same, "new"])).prompt.splitlines()
    assert compared == []
    assert shown[:3] == ["--- revision 1", "+++ revision 2", "@@ -1,10001 +1,10001 @@"]
    assert (shown[3], shown[-1]) == ("-0", "+new")
    difference(*prompts(["old"], ["new"]))
    assert compared == [1]
