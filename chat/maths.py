"""TeX in a reply: found in Markdown source, and written as MathML.

Models write $…$, $$…$$, \\(…\\) and \\[…\\]; people write $5 and $10. `marked` leaves
in dollars only what is mathematics, so that the parser of Markdown finds nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import Final

from math_core import LatexError, LatexToMathML

# The converter calls itself for each thing inside another, on a stack that ends the
# process when it overflows. A level costs up to 4 kB and begins with one of these.
_NESTING: Final = re.compile(r"[\\{^_']")
NESTING_MAX: Final = 500
LENGTH_MAX: Final = 4_000
# Each bracket that nothing closes doubles its time. Intervals as [0, 1) have their end.
UNCLOSED_MAX: Final = 8
_BRACKET: Final = re.compile(
    r"""
    (?P<group> \{ | \\(?:left|begin)(?![A-Za-z]) )
  | (?P<end> \} | \\(?:right|end)(?![A-Za-z]) )
  | (?P<cell> & | \\\\ | \\middle(?![A-Za-z]) )
  | (?P<open> [(\[⟨⌈⌊⟦] | \\\{ | \\(?:lbrace|lbrack|langle|l[vV]ert|lceil|lfloor|lgroup
        |lmoustache|llbracket|ulcorner|llcorner|lparen)(?![A-Za-z]) )
  | (?P<close> [)\]⟩⌉⌋⟧] | \\\} | \\(?:rbrace|rbrack|rangle|r[vV]ert|rceil|rfloor|rgroup
        |rmoustache|rrbracket|urcorner|lrcorner|rparen)(?![A-Za-z]) )
  | \\. """,
    re.VERBOSE | re.DOTALL,
)
# No commands of the text's own: what they expand to has no bound.
_CONVERTER: Final = LatexToMathML(max_expansions=0, fancy_error=False)

# What the converter says by styles, which our policy does not allow.
_STYLE: Final = re.compile(r' style="([^"]*)"')
# References lead to numbers of equations, which nothing here has.
_ANCHOR: Final = re.compile(r"</?a\b[^>]*>")
_CLASSES: Final = {
    "text-align: right": "right",
    "text-align: left": "left",
    "border-right": "bar-right",
    "border-left": "bar-left",
    "border-top": "bar-top",
    "border-bottom": "bar-bottom",
    "width: 50%": "half",
}
TAGS: Final = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mpadded", "mphantom"),
    *("mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "mmultiscripts"),
    *("munder", "mover", "munderover", "mprescripts", "mstyle", "menclose"),
    *("mtable", "mtr", "mtd"),
}
_LAYOUT: Final = {
    *("class", "displaystyle", "scriptlevel", "mathvariant"),
    *("stretchy", "symmetric", "largeop", "movablelimits", "form", "fence"),
    *("lspace", "rspace", "minsize", "maxsize", "accent", "accentunder"),
    *("linethickness", "width", "height", "depth", "voffset", "notation"),
}
ATTRIBUTES: Final = dict.fromkeys(TAGS - {"math"}, _LAYOUT) | {
    "math": {"display", "alttext", "class"}
}

# No formula goes on over an empty line, nor over the beginning of another: so each
# character is looked at a few times at most.
_TOKEN: Final = re.compile(
    r"""
    (?P<code> ^[ \t>]*(?P<fence>`{3,}|~{3,})[\s\S]*?(?:\n[ \t>]*(?P=fence)|\Z)
            | (?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n)[\s\S])*?(?<!`)(?P=ticks)(?!`)
            | <https?://[^\s<>]*> )
  | (?P<address> https?://[^\s<>]* )
  | \\\[ (?P<square>(?:\\\\|(?!\n[ \t>]*\n|\\[\[\]]|\$\$)[\s\S])+) \\\]
  | \\\( (?P<round>(?:\\\\|(?!\n[ \t>]*\n|\\[()])[^$])+) \\\)
  | \\.
  | \$\$ (?P<display>(?:(?!\n[ \t>]*\n)(?:\\[\s\S]|[^$\\]))+) \$\$
  | \$ (?P<inline>(?=[^\s$])(?:(?!\n[ \t>]*\n)(?:\\[\s\S]|[^$\\]))*(?<=\S)) \$ (?!\w)
  | \$
    """,
    re.VERBOSE | re.MULTILINE,
)
# "$5 and 10$": a number, words, and nothing that only a formula has.
_PRICE: Final = re.compile(r"\d[^\\^_={}+*/<>]*\s[^\\^_={}+*/<>]*")


def has_math(source: str) -> bool:
    """Whether `marked` is worth asking."""
    return "$" in source or r"\(" in source or r"\[" in source


def marked(source: str) -> str:
    """Markdown in which formulas stand in dollars, and no other dollar is bare."""
    return _TOKEN.sub(_marked, source)


def _marked(found: re.Match[str]) -> str:
    text = found[0]
    if (tex := found["square"]) is not None:
        return f"$${tex}$$"
    if (tex := found["round"]) is not None and tex.strip():
        return f"${tex.strip()}$"
    if (tex := found["inline"]) is not None and _PRICE.fullmatch(tex):
        return f"\\${tex}\\$"
    if found["address"]:
        return text.replace("$", r"\$")
    return r"\$" if text == "$" else text


@lru_cache(maxsize=512)
def math_html(tex: str, *, display: bool) -> str:
    """MathML, not yet sanitised; what cannot be converted stands as it was written."""
    mark = "$$" if display else "$"
    plain = f"<code>{escape(f'{mark}{tex}{mark}')}</code>"
    if len(tex) > LENGTH_MAX or len(_NESTING.findall(tex)) > NESTING_MAX:
        return plain
    if _unclosed(tex) > UNCLOSED_MAX:
        return plain
    try:
        made = _CONVERTER.convert_with_local_state(tex, displaystyle=display)
    except LatexError:
        return plain
    opening = f'<math alttext="{escape(tex.strip())}"'
    made = _ANCHOR.sub("", made.replace("<math", opening, 1))
    return _STYLE.sub(_classes, made)


def _unclosed(tex: str) -> int:
    """Brackets that are not closed in the group in which they stand."""
    count = here = 0
    outside: list[int] = []
    for found in _BRACKET.finditer(tex):
        match found.lastgroup:
            case "open":
                here += 1
            case "close":
                here = max(0, here - 1)
            case "group":
                outside.append(here)
                here = 0
            case "end":
                count += here
                here = outside.pop() if outside else 0
            case "cell":
                count, here = count + here, 0
    return count + here + sum(outside)


def _classes(found: re.Match[str]) -> str:
    names = [name for style, name in _CLASSES.items() if style in found[1]]
    return f' class="{" ".join(names)}"' if names else ""
