"""The door to HTML for every reply: page, stream and export come through here.

`render_markdown` does a whole text, `BlockRenderer` one that is still being written;
`markdown` writes and sanitises the HTML of a block for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from django.utils.safestring import SafeString, mark_safe
from pyromark.event import Event

from chat.listings import code_block, language_of
from chat.markdown import (
    CLEANER,
    PADDING_MAX,
    Block,
    Writer,
    definitions_of,
    normalise,
    parse_blocks,
)

# An open block of up to this many characters of HTML is rendered at every flush; a
# longer one only when the text has grown by 1/GROWTH of the rest of its HTML: a long
# list or table costs linear, not square, time.
EAGER_MAX = 2_000
GROWTH = 32
# An open code fence is sent in pieces of about this size, so that what has been shown
# of a long listing is not sent again with each new line.
PIECE = 1_500

# Possessive, or a line of nothing but marks would cost the square of its length.
_FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)([^\n]*)\n")


def render_markdown(text: str) -> SafeString:
    """The sanitised HTML of a complete Markdown text."""
    blocks = parse_blocks(normalise(text), {}, padding_max=PADDING_MAX)
    html = "".join(Writer(block.events, {}).html() for block in blocks)
    # Each part has come out of the sanitiser.
    return mark_safe(html)  # noqa: S308


def _is_fence(event: Event) -> bool:
    match event:
        case {"Start": {"CodeBlock": {"Fenced": _}}}:
            return True
    return False


def _ends_with_fence(text: str) -> bool:
    """Whether the last line looks like the end of a code fence, perhaps in a list."""
    line = text.rstrip()[-200:].rpartition("\n")[2].lstrip(" >\t")
    return len(line) >= 3 and set(line) in ({"`"}, {"~"})


def _line_end(source: bytes, end: int) -> int:
    """The line border next to the end of a block.

    A fence's range stops before its last line feed, a list's can take in the
    indentation of the block below.
    """
    line = source.rfind(b"\n", 0, end) + 1
    if not source[line:end].strip():
        return line
    return source.find(b"\n", end) + 1 or len(source)


def _count_finished(source: bytes, blocks: list[Block]) -> int:
    """How many of the first blocks no later text can change."""
    if not blocks:
        return 0
    last = blocks[-1]
    fence = _OpenFence.at(source.decode(), len(source[: last.start].decode()))
    if _is_fence(last.events[0]) and fence and fence.closes(source.decode()):
        return len(blocks)
    last_line = source.rfind(b"\n") + 1
    return sum(block.start < last_line for block in blocks[1:])


class _OpenFence:
    """A top-level code fence being written: shown in pieces, uncoloured, unparsed."""

    def __init__(self, mark: str, language: str, content: int) -> None:
        self._mark = mark[0]
        self._close = re.compile(rf"^ {{0,3}}{mark}{mark[0]}*[ \t]*\n", re.MULTILINE)
        self._language = language
        self._scanned = self._start = content
        self._number = 0

    @classmethod
    def at(cls, text: str, start: int) -> _OpenFence | None:
        """The fence whose opening line `start` is in; None while that is incomplete."""
        match = _FENCE.match(text, text.rfind("\n", 0, start) + 1)
        return cls(match[1], language_of(match[2]), match.end()) if match else None

    def closes(self, text: str) -> bool:
        found = self._close.search(text, self._scanned)
        self._scanned = text.rfind("\n") + 1
        return found is not None

    def open_size(self, text: str) -> int:
        """Characters of the last piece; many only in a line that does not end."""
        return len(text) - self._start

    def pieces(self, text: str) -> Iterator[tuple[int, str]]:
        """The numbered pieces that are new or have grown."""
        last_line = text.rfind("\n") + 1
        # A closing fence that has not arrived whole is not shown as code.
        end = last_line if set(text[last_line:].strip()) == {self._mark} else len(text)
        while (split := text.find("\n", self._start + PIECE, end) + 1) > 0:
            yield self._number, self._piece(text[self._start : split])
            self._start, self._number = split, self._number + 1
        if end > self._start or self._number == 0:
            yield self._number, self._piece(text[self._start : end])

    def _piece(self, code: str) -> str:
        return CLEANER.clean(
            code_block(self._language, escape(code), head=self._number == 0)
        )


class BlockRenderer:
    """Renders a growing reply, each finished top-level block once.

    A block is finished when another has begun on a complete line below it (lists,
    quotes, tables and setext headings can all still change while they are last), or
    when its code fence has closed. Blocks are numbered from 0; joined in order they
    equal `render_markdown` of the whole text. A block can become empty again, when
    what looked like a paragraph turns out to be a link definition.
    """

    def __init__(self) -> None:
        self._pending: list[str] = []
        self._tail = ""  # source from the first unfinished block on
        self._finished = 0
        self._live: dict[int, str] = {}  # unfinished blocks as last given out
        self._changed: dict[int, str] = {}
        self._definitions: dict[str, tuple[str, str]] = {}
        # Finished blocks that use labels nobody has defined yet.
        self._waiting: list[tuple[int, set[str], str]] = []
        self._fence: _OpenFence | None = None
        self._padding_max = PADDING_MAX  # what finished blocks have left of it
        self._padding = 0  # of the unfinished blocks

    def feed(self, delta: str) -> None:
        """Take more text; cheap, renders nothing."""
        self._pending.append(delta)

    def flush(self) -> list[tuple[int, str]]:
        """(block number, html) of what changed since the last flush.

        While a block of thousands of characters is open, some flushes give nothing;
        `close` gives what they held back.
        """
        new = sum(map(len, self._pending))
        if not new or new * GROWTH < self._open_size() - EAGER_MAX:
            return []
        text = "".join(self._pending)
        self._pending.clear()
        if text.endswith("\r"):  # perhaps the first half of a line end
            self._pending.append("\r")
            text = text[:-1]
        self._tail += normalise(text)
        if self._fence is None or self._fence.closes(self._tail):
            self._render(final=False)
        if self._fence is not None:
            for number, html in self._fence.pieces(self._tail):
                self._give(self._finished + number, html)
        return self._take_changes()

    def close(self) -> list[tuple[int, str]]:
        """The last flush: the text is complete, so every block is finished."""
        self._tail += normalise("".join(self._pending))
        self._pending.clear()
        self._render(final=True)
        return self._take_changes()

    @property
    def count(self) -> int:
        """How many blocks there are, once it is closed."""
        return self._finished

    def _open_size(self) -> int:
        """What the next rendering is likely to cost, in characters of HTML."""
        if self._fence is not None:
            return self._fence.open_size(self._tail)
        return max(len(self._tail), self._padding + sum(map(len, self._live.values())))

    def _give(self, number: int, html: str) -> None:
        if self._live.get(number, "") != html:
            self._changed[number] = html
        self._live[number] = html

    def _take_changes(self) -> list[tuple[int, str]]:
        changes = sorted(self._changed.items())
        self._changed.clear()
        return changes

    def _render(self, *, final: bool) -> None:
        unresolved: list[tuple[int, str]] = []
        source = self._tail.encode()
        blocks = list(
            parse_blocks(self._tail, self._definitions, unresolved, self._padding_max)
        )
        done = len(blocks) if final else _count_finished(source, blocks)
        end = blocks[done - 1].end if done else 0
        cut = len(source) if final else _line_end(source, end)
        for start, end, events, padding in blocks[:done]:
            self._padding_max -= padding
            self._give(self._finished, Writer(events, self._definitions).html())
            del self._live[self._finished]
            labels = {label for place, label in unresolved if start <= place < end}
            if labels:
                block = source[start:end].decode()
                self._waiting.append((self._finished, labels, block))
            self._finished += 1
        self._define(source[:cut].decode())
        self._tail = source[cut:].decode()
        self._fence = None
        if done < len(blocks) and _is_fence(blocks[-1].events[0]):
            start = len(source[cut : blocks[-1].start].decode())
            self._fence = _OpenFence.at(self._tail, start)
        self._padding = sum(block.padding for block in blocks[done:])
        self._show([block.events for block in blocks[done:]])

    def _show(self, blocks: list[list[Event]]) -> None:
        """Give out the unfinished blocks, and empty those that have gone."""
        for number, events in enumerate(blocks, self._finished):
            last = number == self._finished + len(blocks) - 1
            growing = last and not _ends_with_fence(self._tail)
            if not (last and self._fence):
                writer = Writer(events, self._definitions, growing=growing)
                self._give(number, writer.html())
        for number in [n for n in self._live if n >= self._finished + len(blocks)]:
            self._give(number, "")
            del self._live[number]

    def _define(self, source: str) -> None:
        """Learn the finished blocks' definitions and use them in earlier blocks."""
        for label, place in definitions_of(source).items():
            self._definitions.setdefault(label, place)
        for number, labels, block in self._waiting:
            if labels & self._definitions.keys():
                labels.difference_update(self._definitions)
                parts = parse_blocks(block, self._definitions)
                self._changed[number] = "".join(
                    Writer(part.events, self._definitions).html() for part in parts
                )
