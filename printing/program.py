"""Prints HTML as PDF: a program of its own, started by printing.pdf.

HTML comes by standard input, the PDF goes to standard output. It runs without Django,
secrets, network and files: what it prints was written by people and models.
"""

from __future__ import annotations

import gc
import os
import resource
import sys

# Exit codes that pdf.py knows.
NO_LIBRARIES = 3
TOO_LARGE = 4

_MEMORY = 2 * 1024**3
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
    nothing = URLFetcher(allowed_protocols=())
    try:
        html = weasyprint.HTML(string=sys.stdin.read(), url_fetcher=nothing)
        style = weasyprint.CSS(string=_STYLE, url_fetcher=nothing)
        html.write_pdf(sys.stdout.buffer, stylesheets=[style], pdf_tags=True)
    except MemoryError:
        return TOO_LARGE
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
