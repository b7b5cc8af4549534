"""Code blocks as HTML, with colours by Pygments. What comes from here is not sanitised
yet; `markdown` does that."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# Pygments needs up to 2.5 ms for 1,000 characters of usual code. Its expressions can
# take the square of a long line and of a long run without words or of nothing but
# words, so such code, which nobody reads for its colours, gets none.
HIGHLIGHT_MAX = 5_000
_UNUSUAL = re.compile(r"[^\n]{201}|\W{161}|(?:\w++\s++){61}")


def language_of(info: str) -> str:
    """The language that a fence's info string names; may be empty."""
    words = info.split(maxsplit=1)
    return words[0].strip("{}.,").lower()[:40] if words else ""


def code_block(language: str, html: str, *, head: bool = True) -> str:
    """A code block around escaped or highlighted code; not yet sanitised.

    Without `head` it goes on where the block above it ended.
    """
    name = escape(language or "text")
    title = f'<div class="code-head"><span>{name}</span></div>' if head else ""
    css = "code" if head else "code code-more"
    return (
        f'<div class="{css}">{title}'
        f'<pre class="highlight" tabindex="0"><code>{html}</code></pre></div>'
    )


def coloured(language: str, code: str) -> str:
    """Escaped, with a span around each word of a kind."""
    lexer = _lexer(language)
    if lexer is None or len(code) > HIGHLIGHT_MAX or _UNUSUAL.search(code):
        return escape(code)
    return _highlighted(lexer, code)


@lru_cache(maxsize=128)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False) if language else None
    except ClassNotFound:
        return None


# A finished block inside an open list is asked for again at each flush of the list, and
# those of a conversation whenever it is opened. At most some 30 MB.
@lru_cache(maxsize=512)
def _highlighted(lexer: Lexer, code: str) -> str:
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
