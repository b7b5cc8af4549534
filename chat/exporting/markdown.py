"""A conversation as Markdown: a heading for each message, its text as it was written.

Only what would swallow or imitate the headings of other messages is changed.
"""

from __future__ import annotations

import re

import pyromark
from django.utils.translation import gettext

from chat.exporting.transcript import Entry, Transcript, ending
from chat.markdown import OPTIONS, normalise
from chat.parts import is_tool, tool_name
from chat.templatetags.chat_markup import usage

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~!&])")
_FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)")
_ATX = re.compile(r"#{1,6}(?:[ \t]|$)", re.MULTILINE)
_SENTINEL = "\n\n## end"
# A text with so many raw HTML blocks that never end is no text.
_REPAIRS = 20


def transcript_markdown(transcript: Transcript) -> str:
    lines = [f"# {escaped(transcript.title)}", "", *_facts(transcript)]
    for entry in transcript.entries:
        lines += ["", f"## {entry.number}. {escaped(entry.speaker)}", ""]
        lines += [f"*{escaped(small)}*  " for small in _small_print(entry)]
        lines += ["", contained(entry.message.text)]
    return "\n".join(lines) + "\n"


def _facts(transcript: Transcript) -> list[str]:
    facts = {
        gettext("Participants"): ", ".join(transcript.participants),
        gettext("Model"): ", ".join(transcript.models),
        gettext(
            "Dates"
        ): f"{transcript.began_at:%Y-%m-%d} / {transcript.ended_at:%Y-%m-%d}",
        gettext("Usage"): transcript.usage,
        gettext("Exported"): f"{transcript.exported_at:%Y-%m-%d %H:%M} UTC",
    }
    return [f"- {name}: {escaped(fact)}" for name, fact in facts.items() if fact]


def _small_print(entry: Entry) -> list[str]:
    message = entry.message
    facts = [f"{message.created_at:%Y-%m-%d %H:%M} UTC", message.model, usage(message)]
    lines = [" · ".join(fact for fact in facts if fact)]
    if entry.versions > 1:
        lines.append(
            gettext("Version %(number)d of %(count)d")
            % {"number": entry.version, "count": entry.versions}
        )
    if entry.below:
        lines.append(gettext("Follows %(number)d") % {"number": entry.below})
    if called := list(filter(is_tool, message.parts)):
        lines.append(
            gettext("Called %(tools)s") % {"tools": ", ".join(map(tool_name, called))}
        )
    if how := ending(message):
        lines.append(how)
    return lines


def escaped(text: str) -> str:
    """One line of plain text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(normalise(text).split()))


def contained(text: str) -> str:
    """Markdown that means the same between other messages: its headings are below
    theirs, and what it leaves open (a code fence, a block of raw HTML) is closed."""
    text = _lowered(normalise(text).rstrip())
    for _ in range(_REPAIRS):
        kind, start = _blocks(text + _SENTINEL)[-1]
        if start >= len(text.encode()):
            return text
        text = _closed(text, kind, start)
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _closed(text: str, kind: object, start: int) -> str:
    source = text.encode()
    last = source[start:].decode()
    if kind != "HtmlBlock" and (fence := _FENCE.match(last)):
        return f"{text}\n{fence[1]}"
    return source[:start].decode() + last.replace("<", "\\<", 1)


def _blocks(text: str) -> list[tuple[object, int]]:
    """Kind and start (in UTF-8) of each top-level block."""
    found: list[tuple[object, int]] = []
    depth = 0
    for event, place in pyromark.events_with_range(text, options=OPTIONS):
        match event:
            case {"Start": kind}:
                if depth == 0:
                    found.append((kind, place["start"]))
                depth += 1
            case {"End": _}:
                depth -= 1
            case _ if depth == 0:
                found.append((event, place["start"]))
    return found


def _lowered(text: str) -> str:
    """Top-level headings two levels down, as the page shows them."""
    source = text.encode()
    out: list[bytes] = []
    end = depth = 0
    for event, place in pyromark.events_with_range(text, options=OPTIONS):
        start, stop = place["start"], place["end"]
        match event:
            case {"Start": {"Heading": {"level": str(level)}}} if depth == 0:
                out += (source[end:start], _heading(source[start:stop], level))
                end = stop
        if isinstance(event, dict):
            depth += "Start" in event
            depth -= "End" in event
    return b"".join((*out, source[end:])).decode()


def _heading(source: bytes, level: str) -> bytes:
    text = source.decode()
    marks = "#" * min(int(level.removeprefix("H")) + 2, 6)
    if _ATX.match(text):
        return (marks + text.lstrip("#")).encode()
    *lines, _underline = text.rstrip().split("\n")
    return f"{marks} {' '.join(line.strip() for line in lines)}\n".encode()
