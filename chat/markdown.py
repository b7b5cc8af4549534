"""One Markdown text into sanitised HTML; `rendering` is the door to it.

pyromark parses, `Writer` writes the few elements we allow, nh3 cleans them once more.
Raw HTML is shown as text, and an image as a link: a picture's address chosen by the
model could carry the conversation to a stranger's server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

import nh3
import pyromark
from pyromark.event import BrokenLink, Event

from chat import maths
from chat.listings import code_block, coloured, language_of

Definitions = Mapping[str, tuple[str, str]]  # normalised label -> (address, title)


class Block(NamedTuple):
    """A top-level block: its place in the text as UTF-8 offsets, and what is in it."""

    start: int
    end: int
    events: list[Event]
    padding: int  # table cells that the parser added to short rows, left out here


OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
)
_WITH_MATH = OPTIONS | pyromark.Options.ENABLE_MATH
# What one reply may cost the event loop. The parser fills short rows up to the table's
# width, so a few characters can mean thousands of cells; and deep nesting costs its
# square. Text from the block on that goes past a limit is shown as it was written.
PADDING_MAX = 10_000
DEPTH_MAX = 100

_ALLOWED = {
    "a": {"href", "title"},
    "code": {"class"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "h3": {"class"},
    "li": {"class"},
    "ol": {"start"},
    "p": {"class"},
    "pre": {"class", "tabindex"},
    "span": {"class"},
    "td": {"class"},
    "th": {"class", "scope"},
    **maths.ATTRIBUTES,
}
CLEANER = nh3.Cleaner(
    tags={
        *_ALLOWED,
        *("blockquote", "br", "del", "em", "h4", "h5", "h6", "hr", "strong"),
        *("table", "tbody", "thead", "tr", "ul"),
        *maths.TAGS,
    },
    attributes=_ALLOWED,
    link_rel="nofollow noopener noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)
_ROW: Event = {"Start": "TableRow"}
_CELL: tuple[Event, Event] = ({"Start": "TableCell"}, {"End": "TableCell"})
_SAFE_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
_BARE_ADDRESS = re.compile(r"https?://[^\s<>\"`]*[^\s<>\"`'.,:;!?*_)\]}]")
_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)

_PLAIN = {
    "Paragraph": ("<p>", "</p>"),
    "Emphasis": ("<em>", "</em>"),
    "Strong": ("<strong>", "</strong>"),
    "Strikethrough": ("<del>", "</del>"),
    "Item": ("<li>", "</li>"),
    "TableHead": ("<thead><tr>", "</tr></thead><tbody>"),
    "TableRow": ("<tr>", "</tr>"),
    "HtmlBlock": ('<p class="raw-html">', "</p>"),
}
# The page owns h1 (the conversation) and h2 (the message). Many replies begin with
# "##", and screen readers should find no level left out.
_HEADINGS = {"H1": "h3", "H2": "h3", "H3": "h4", "H4": "h5"}


def normalise(text: str) -> str:
    """One kind of line end, no NUL, no lone surrogates (pyromark takes UTF-8 only)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def label_key(text: str) -> str:
    """A link label in the form in which labels are compared."""
    return " ".join(text.split()).casefold()


def parse_blocks(
    text: str,
    known: Definitions,
    unresolved: list[tuple[int, str]] | None = None,
    padding_max: int = PADDING_MAX,
) -> Iterator[Block]:
    """The top-level blocks of a text.

    Labels that neither the text nor `known` defines go to `unresolved`, with the
    offset of their use. A text that goes past a limit ends with a block of code, the
    rest of it as it was written.

    Blocks are what Markdown makes of the text; formulas are found inside of each, so
    that they cannot join what a stream has rendered apart.
    """
    source = b""
    defined: Definitions | None = None
    for block in _blocks(text, OPTIONS, known, unresolved, padding_max):
        if maths.has_math(text) and not _is_code(block):
            source = source or text.encode()
            first = source.rfind(b"\n", 0, block.start) + 1
            if defined is None:
                defined = {**definitions_of(text), **known}
            block = _with_math(block, source[first : block.end].decode(), defined)
        yield block


def _is_code(block: Block) -> bool:
    match block.events[0]:
        case {"Start": {"CodeBlock": _}}:
            return True
    return False


def definitions_of(text: str) -> dict[str, tuple[str, str]]:
    """What the text's links may refer to."""
    if "]:" not in text:
        return {}
    found = pyromark.reference_definitions(text, options=OPTIONS)
    return {label_key(k): (v["dest"], v["title"] or "") for k, v in found.items()}


def _with_math(block: Block, source: str, known: Definitions) -> Block:
    """The block with its formulas as such, parsed once more."""
    if not maths.has_math(source):
        return block
    again = _blocks(maths.marked(source), _WITH_MATH, known, None, PADDING_MAX)
    return block._replace(events=[event for part in again for event in part.events])


def _blocks(
    text: str,
    options: pyromark.Options,
    known: Definitions,
    unresolved: list[tuple[int, str]] | None,
    padding_max: int,
) -> Iterator[Block]:
    def resolve(link: BrokenLink) -> tuple[str, str] | None:
        label = label_key(link["reference"])
        if unresolved is not None and label not in known:
            unresolved.append((link["span"]["start"], label))
        return known.get(label)

    depth = start = end = row_end = padding = 0
    events: list[Event] = []
    for event, place in pyromark.events_with_range(
        text, options=options, merge_text=True, broken_link_callback=resolve
    ):
        if depth == 0:
            start, end, events, padding = place["start"], place["end"], [], 0
        if event == _ROW:
            row_end = place["end"]
        elif place["start"] == row_end == place["end"] and event in _CELL:
            padding += event == _CELL[0]
            if padding <= padding_max:
                continue
        events.append(event)
        if isinstance(event, dict):
            depth += "Start" in event
            depth -= "End" in event
        if padding > padding_max or depth > DEPTH_MAX:
            if unresolved:
                unresolved[:] = [use for use in unresolved if use[0] < start]
            yield _unparsed(text, start, padding)
            return
        if depth == 0:
            padding_max -= padding
            yield Block(start, end, events, padding)


def _unparsed(text: str, start: int, padding: int) -> Block:
    source = text.encode()
    code: list[Event] = [
        {"Start": {"CodeBlock": "Indented"}},
        {"Text": source[start:].decode()},
        {"End": "CodeBlock"},
    ]
    return Block(start, len(source), code, padding)


class Writer:
    """Writes the events of one top-level block as HTML.

    `earlier` holds definitions from before this block: they win over later ones.
    `growing` leaves the code that the block ends with without colours.
    """

    def __init__(
        self, events: list[Event], earlier: Definitions, *, growing: bool = False
    ) -> None:
        self._events = events
        self._earlier = earlier
        self._plain_from = _trailing_code(events) if growing else len(events)
        self._out: list[str] = []
        self._closers: list[str] = []
        self._columns: tuple[str, ...] = ()
        self._column = 0
        self._cell = "td"
        self._code: list[str] | None = None
        self._language = ""

    def html(self) -> str:
        """The sanitised HTML; to be called once."""
        for number, event in enumerate(self._events):
            if self._code is not None and event == {"End": "CodeBlock"}:
                self._end_code(plain=number >= self._plain_from)
            else:
                self._write(event)
        return CLEANER.clean("".join(self._out))

    def _write(self, event: Event) -> None:
        match event:
            case {"Text": str(text)}:
                if self._code is not None:
                    self._code.append(text)
                elif "</a>" in self._closers:
                    self._out.append(escape(text))
                else:
                    self._out.append(_linked(text))
            case {"Start": tag}:
                self._start(tag)
            case {"End": _}:
                self._out.append(self._closers.pop())
            case {"Code": str(text)}:
                self._out.append(f"<code>{escape(text)}</code>")
            case {"InlineMath": str(tex)}:
                self._out.append(maths.math_html(tex, display=False))
            case {"DisplayMath": str(tex)}:
                self._out.append(maths.math_html(tex, display=True))
            case {"Html": str(text)} | {"InlineHtml": str(text)}:
                is_break = _LINE_BREAK_TAG.fullmatch(text)
                self._out.append("<br>" if is_break else escape(text))
            case {"TaskListMarker": bool(done)}:
                self._start_task(done)
            case "SoftBreak":
                self._out.append("\n")
            case "HardBreak":
                self._out.append("<br>\n")
            case "Rule":
                self._out.append("<hr>")

    def _start(self, tag: object) -> None:
        if tag in ("TableHead", "TableRow"):
            self._column = 0
            self._cell = "th" if tag == "TableHead" else "td"
        match tag:
            case "TableCell":
                self._start_cell()
            case str(name):
                opener, closer = _PLAIN[name]
                self._open(opener, closer)
            case {"Heading": {"level": str(level)}}:
                name = _HEADINGS.get(level, "h6")
                css = ' class="title"' if level == "H1" else ""
                self._open(f"<{name}{css}>", f"</{name}>")
            case {"BlockQuote": _}:
                self._open("<blockquote>", "</blockquote>")
            case {"List": None}:
                self._open("<ul>", "</ul>")
            case {"List": int(first)}:
                opener = "<ol>" if first == 1 else f'<ol start="{first}">'
                self._open(opener, "</ol>")
            case {"Table": tuple(columns)}:
                self._columns = tuple(str(column) for column in columns)
                self._open(
                    '<div class="table" role="group" aria-label="Table" tabindex="0">'
                    "<table>",
                    "</tbody></table></div>",
                )
            case {"CodeBlock": kind}:
                self._code = []
                info = kind.get("Fenced", "") if isinstance(kind, dict) else ""
                self._language = language_of(info)
            case {"Link": dict(link)} | {"Image": dict(link)}:
                self._start_link(link)

    def _open(self, opener: str, closer: str) -> None:
        self._out.append(opener)
        self._closers.append(closer)

    def _start_task(self, done: bool) -> None:
        """Its box stands in place of the item's bullet."""
        item = len(self._out) - (1 if self._out[-1] == "<li>" else 2)
        if self._out[item] == "<li>":
            self._out[item] = '<li class="task">'
        self._out.append("☑ " if done else "☐ ")

    def _start_cell(self) -> None:
        column = self._columns[self._column : self._column + 1]
        self._column += 1
        css = column[0].lower() if column and column[0] != "None" else ""
        scope = ' scope="col"' if self._cell == "th" else ""
        css = f' class="{css}"' if css else ""
        self._open(f"<{self._cell}{scope}{css}>", f"</{self._cell}>")

    def _start_link(self, link: Mapping[str, object]) -> None:
        address, title = str(link["dest_url"]), str(link["title"])
        if link["link_type"] in ("Reference", "Collapsed", "Shortcut"):
            known = self._earlier.get(label_key(str(link["id"])))
            address, title = known or (address, title)
        if link["link_type"] == "Email":
            address = f"mailto:{address}"
        if "</a>" in self._closers or not _SAFE_ADDRESS.match(address):
            self._open("", "")
            return
        title = f' title="{escape(title)}"' if title else ""
        self._open(f'<a href="{escape(address)}"{title}>', "</a>")

    def _end_code(self, *, plain: bool) -> None:
        code = "".join(self._code or ())
        self._code = None
        html = escape(code) if plain else coloured(self._language, code)
        self._out.append(code_block(self._language, html))


def _trailing_code(events: list[Event]) -> int:
    """Index from which only ends of blocks follow."""
    number = len(events)
    while (
        number and isinstance(events[number - 1], dict) and "End" in events[number - 1]
    ):
        number -= 1
    return number


def _linked(text: str) -> str:
    """Escaped text, its bare web addresses made links."""
    if "://" not in text:
        return escape(text)
    out: list[str] = []
    end = 0
    for match in _BARE_ADDRESS.finditer(text):
        address = escape(match[0])
        out += (escape(text[end : match.start()]), f'<a href="{address}">{address}</a>')
        end = match.end()
    return "".join((*out, escape(text[end:])))
