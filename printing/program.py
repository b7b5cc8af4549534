"""Prints HTML as PDF: a program of its own, started by printing.pdf.

HTML comes by standard input, the PDF goes to standard output. It runs without Django,
secrets, network and files: what it prints was written by people and models.
"""

from __future__ import annotations

import gc
import os
import re
import resource
import sys
import time
from base64 import b64encode
from functools import cache
from html import unescape

# Exit codes that pdf.py knows.
NO_LIBRARIES = 3
TOO_LARGE = 4

_MEMORY = 2 * 1024**3
# A formula takes some milliseconds to draw. After so many seconds the rest stay TeX.
_DRAWING_SECONDS = 20
_FORMULA = re.compile(
    r'<math(?: alttext="(?P<tex>[^"]*)")?(?P<fields>[^>]*)>.*?</math>', re.DOTALL
)
# Than its font is, whose letters are smaller than those of the text.
_LARGER = 1.1
_TAG = re.compile(r"<[^>]*>")
# Forms of letters that the font has at places of their own; invisible signs.
_UNSEEN = re.compile("[\ufe00-\ufe0f\u2061-\u2064]")
# One font draws Chinese, Japanese and Korean, each with its own shapes of the
# characters they share: the document's `lang` says which. Ligatures would show code
# that is not what was written.
_PROSE = (
    '"Noto Sans", "Noto Sans Math", "JetBrains Mono", "Noto Sans CJK JP", sans-serif'
)
_STYLE = f"""
@page {{ font-family: {_PROSE} }}
html, body {{ font-family: {_PROSE} !important }}
code, pre {{ font-family: "JetBrains Mono", "Noto Sans CJK JP", monospace !important;
  font-variant-ligatures: none }}
.drawn {{ max-width: 100%; height: auto }}
.drawn-display {{ display: block; margin: 0 0 .8em; text-align: center }}
"""


def main(cpu_seconds: int) -> int:
    os.nice(10)  # whoever streams comes first
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    if sys.platform == "linux":  # macOS refuses
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher
    except OSError:  # Pango or what it needs is missing
        return NO_LIBRARIES
    # Hundreds of thousands of boxes are made and all are needed to the end: a fifth of
    # the time went into looking for what is not.
    gc.set_threshold(200_000, 50, 100)
    nothing = URLFetcher(allowed_protocols=("data",))  # the formulas drawn here
    try:
        text = _FORMULA.sub(_drawn, sys.stdin.read())
        html = weasyprint.HTML(string=text, url_fetcher=nothing)
        style = weasyprint.CSS(string=_STYLE, url_fetcher=nothing)
        html.write_pdf(sys.stdout.buffer, stylesheets=[style], pdf_tags=True)
    except MemoryError:
        return TOO_LARGE
    return 0


def _drawn(found: re.Match[str]) -> str:
    """A formula as a picture, since the layout engine knows no MathML; as it was where
    that does not go, and then its TeX is shown."""
    if time.process_time() > _DRAWING_SECONDS:
        return found[0]
    try:
        source, width, drop = _picture(_UNSEEN.sub("", found[0]))
    except Exception:  # noqa: BLE001  # whatever is odd about it
        return found[0]
    picture = (
        f'<img class="drawn" alt="{found["tex"] or ""}" src="{source}" '
        f'style="width: {width:.3f}em; vertical-align: {drop:.3f}em">'
    )
    if "display=" not in found["fields"]:
        return picture
    return f'<span class="drawn-display">{picture}</span>'


@cache
def _picture(formula: str) -> tuple[str, float, float]:
    """Its address, its width and what is below the line (negative), in em."""
    from ziamath.config import config
    from ziamath.zmath import Math

    config.svg2 = False  # no references inside a picture
    size = 16
    drawn = Math(formula, size=size)
    font = drawn.font
    if any(not font.glyphindex(sign) for sign in _signs(formula)):
        raise ValueError("The font has not all of its signs.")
    picture = b64encode(drawn.svg().encode()).decode()
    width, _ = drawn.getsize()
    source = f"data:image/svg+xml;base64,{picture}"
    return source, _LARGER * width / size, _LARGER * drawn.getyofst() / size


def _signs(formula: str) -> set[str]:
    return {sign for sign in unescape(_TAG.sub("", formula)) if not sign.isspace()}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
