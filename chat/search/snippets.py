"""The piece of a text that shows why it was found, as HTML that is safe.

All text is escaped here, and `<mark>` is the only element; marks are set by ourselves,
because PostgreSQL's ts_headline puts its own among whatever the text holds.
"""

from __future__ import annotations

import re
from html import escape

from django.utils.safestring import SafeString

from chat.search.letters import DENSE, DENSE_RUN, fold

LENGTH = 200
# How much stands before the first mark.
_BEFORE = 60
_OPEN, _CLOSE = "<mark>", "</mark>"


# What tells a reply's structure and says nothing in one line.
_MARKUP = re.compile(
    r"^[ \t]*(?:#{1,6}|>|[-+*]|\d+\.)[ \t]+|^[ \t|:-]+$|\*\*|`+|\|"
    r"|(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)",
    re.MULTILINE,
)


def without_markup(text: str) -> str:
    """Markdown as a person would read it aloud."""
    return _MARKUP.sub(" ", text)


def pattern_of(marks: list[str]) -> re.Pattern[str] | None:
    """Finds in folded text: whole words by their beginnings, and runs of scripts
    without spaces anywhere."""
    dense = [re.escape(fold(mark)) for mark in marks if DENSE_RUN.match(mark)]
    words = [re.escape(mark) for mark in marks if not DENSE_RUN.match(mark)]
    parts = dense + [rf"(?<!\w){word}[^\W{DENSE}]*" for word in words]
    return re.compile("|".join(parts)) if parts else None


def snippet(text: str, pattern: re.Pattern[str] | None) -> SafeString:
    """About LENGTH characters around the first mark, or from the beginning."""
    folded = fold(text)
    first = pattern.search(folded) if pattern else None
    start = _start(text, first.start()) if first else 0
    end = min(len(text), start + LENGTH)
    if end < len(text) and " " in text[end - 20 : end]:
        end = text.rindex(" ", end - 20, end)
    pieces: list[str] = []
    at = start
    for found in pattern.finditer(folded, start, end) if pattern else ():
        if found.end() > found.start():
            pieces.append(escape(text[at : found.start()]))
            pieces.append(_OPEN + escape(text[found.start() : found.end()]) + _CLOSE)
            at = found.end()
    pieces.append(escape(text[at:end]))
    line = " ".join("".join(pieces).split())
    return SafeString("…" * (start > 0) + line + "…" * (end < len(text)))


def _start(text: str, mark: int) -> int:
    """Some way before the mark, at the beginning of a word if one is near."""
    if mark <= _BEFORE:
        return 0
    start = mark - _BEFORE
    space = text.find(" ", start, mark)
    return space + 1 if space >= 0 else start
