"""HTML into PDF by a child process, which takes seconds of CPU and must not make a
stream stutter, and which reads what people and models wrote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import structlog

from chat.errors import PdfTooLongError, PdfUnavailableError
from chat.exporting import printing
from chat.exporting.fonts import fonts_conf

logger = structlog.get_logger(__name__)

# Characters of HTML; some 2,000 messages of usual length.
HTML_MAX = 2_000_000
CPU_SECONDS = 60
# The child is nice to everybody else, so its CPU seconds may take longer.
_WAIT_SECONDS = 120


def print_pdf(html: str) -> bytes:
    """Waits for seconds: hold no database connection meanwhile.

    Raises PdfTooLongError, or PdfUnavailableError where this machine cannot print.
    """
    if len(html) > HTML_MAX:
        raise PdfTooLongError
    # Not our environment: it has secrets.
    environment = {
        "FONTCONFIG_FILE": str(fonts_conf()),
        "PATH": os.environ.get("PATH", ""),
        "PYTHONUTF8": "1",
    }
    if "DYLD_FALLBACK_LIBRARY_PATH" in os.environ:  # where macOS finds Pango
        environment["DYLD_FALLBACK_LIBRARY_PATH"] = os.environ[
            "DYLD_FALLBACK_LIBRARY_PATH"
        ]
    program = [sys.executable, "-I", str(Path(printing.__file__)), str(CPU_SECONDS)]
    try:
        done = subprocess.run(  # noqa: S603  # our own program, no shell
            program,
            input=html.encode("utf-8", "replace"),
            capture_output=True,
            env=environment,
            timeout=_WAIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PdfTooLongError from error
    if done.returncode in (printing.TOO_LARGE, -signal.SIGXCPU, -signal.SIGKILL):
        raise PdfTooLongError
    if done.returncode != 0:
        # Not what the exception says, which may repeat the conversation.
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        kind = last.partition(":")[0][:100]
        logger.error("pdf failed", exit_code=done.returncode, kind=kind)
        raise PdfUnavailableError
    return done.stdout
