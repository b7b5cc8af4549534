"""Prints HTML as PDF: a program of its own, started by chat.exporting.pdf.

HTML comes by standard input, the PDF goes to standard output. It runs without Django,
secrets, network and files: what it prints was written by people and models.
"""

from __future__ import annotations

import os
import resource
import sys

# Exit codes that pdf.py knows.
NO_LIBRARIES = 3
TOO_LARGE = 4

_MEMORY = 2 * 1024**3
_SCRIPTS = (
    "Arabic Armenian Bengali Devanagari Ethiopic Georgian Gujarati Gurmukhi Hebrew "
    "Kannada Khmer Lao Malayalam Myanmar Oriya Sinhala Tamil Telugu Thai"
)
# One font draws Chinese, Japanese and Korean, each with its own shapes of the
# characters they share: the document's `lang` says which. All that come with Parley are
# named, or the machine's others would be taken first.
_FAMILIES = ", ".join(
    f'"Noto {name}"'
    for name in (
        *(
            "Sans",
            "Sans CJK JP",
            "Sans Math",
            "Sans Symbols",
            "Sans Symbols2",
            "Emoji",
        ),
        *(f"Sans {script}" for script in _SCRIPTS.split()),
    )
)
# Ligatures would show code that is not what was written.
_STYLE = f"""
html {{ font-family: {_FAMILIES}, sans-serif }}
code, pre {{ font-family: "JetBrains Mono", {_FAMILIES}, monospace;
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
