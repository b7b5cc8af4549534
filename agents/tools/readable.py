"""The readable text of an HTML page: no markup, no scripts, one line a block.

Pages are hostile: html.parser takes minutes for a megabyte of unclosed tags, and trees
of deeply nested ones are as slow to build. This reads each character a few times.
"""

from __future__ import annotations

import html
import re
from typing import Final

# Until their end tag nothing in these is markup.
_RAW: Final = frozenset({"script", "style", "iframe", "noscript", "textarea", "title"})
_SILENT: Final = frozenset({"template", "svg", "head", "nav"})
_INLINE: Final = frozenset(
    {"a", "abbr", "b", "cite", "code", "em", "i", "mark", "q", "s", "small", "span"}
    | {"strong", "sub", "sup", "time", "u", "wbr", "label", "font", "kbd", "var"}
)
_NAME: Final = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,50})")
# What a tag has besides its name; “>” may stand in quotes.
_REST: Final = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
# Nobody's tag is longer; what is not closed by then is not looked at in full.
_TAG: Final = 20_000
_ENDS: Final = {tag: re.compile(f"</{tag}[\\s/>]", re.IGNORECASE) for tag in _RAW}


def readable(page: str) -> str:
    """Its title and its text."""
    reader = _Reader(page)
    reader.read()
    lines = (" ".join(line.split()) for line in "".join(reader.pieces).split("\n"))
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    title = " ".join("".join(reader.title).split())
    return f"{title}\n\n{body}".strip()


class _Reader:
    def __init__(self, page: str) -> None:
        self.pieces: list[str] = []
        self.title: list[str] = []
        self._page = page
        self._at = 0
        self._silent: list[str] = []
        self._open = dict.fromkeys(_SILENT, 0)

    def read(self) -> None:
        page = self._page
        while self._at < len(page):
            start = page.find("<", self._at)
            self._say(page[self._at : start if start >= 0 else len(page)])
            if start < 0:
                return
            self._at = start
            if name := _NAME.match(page, start):
                self._skip_tag(name.end())
                if name[1]:
                    self._end(name[2].lower())
                else:
                    self._begin(name[2].lower())
            elif page.startswith("<!--", start):
                self._skip_to("-->", start + 4)
            elif page.startswith(("<!", "<?", "</"), start):
                self._skip_to(">", start + 2)
            else:
                self._say("<")
                self._at = start + 1

    def _say(self, text: str) -> None:
        if text and not self._silent:
            self.pieces.append(_unescaped(text))

    def _skip_to(self, end: str, start: int) -> None:
        found = self._page.find(end, start)
        self._at = found + len(end) if found >= 0 else len(self._page)

    def _skip_tag(self, start: int) -> None:
        if rest := _REST.match(self._page, start, start + _TAG):
            self._at = rest.end()
        else:
            self._skip_to(">", start)

    def _begin(self, tag: str) -> None:
        if tag in _RAW:
            self._take_raw(tag)
        elif tag == "body":  # an unclosed head must not silence it
            self._silent.clear()
            self._open = dict.fromkeys(_SILENT, 0)
        elif tag in _SILENT:
            self._silent.append(tag)
            self._open[tag] += 1
        elif tag not in _INLINE:
            self._say("\n")

    def _end(self, tag: str) -> None:
        if self._open.get(tag):
            while True:
                closed = self._silent.pop()
                self._open[closed] -= 1
                if closed == tag:
                    return
        elif tag not in _INLINE:
            self._say("\n")

    def _take_raw(self, tag: str) -> None:
        end = _ENDS[tag].search(self._page, self._at)
        stop = end.start() if end else len(self._page)
        text = self._page[self._at : stop]
        self._at = stop
        if tag == "title" and "svg" not in self._silent:
            self.title.append(_unescaped(text))
        elif tag == "textarea":
            self._say(text)


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a number of thousands of digits
        return text
