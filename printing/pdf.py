"""HTML into PDF by a child process, which takes seconds of CPU and must not make a
stream stutter, and which reads what people and models wrote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore

import structlog

from printing import program
from printing.errors import ExportBusyError, PdfTooLongError, PdfUnavailableError
from printing.fonts import fonts_conf

logger = structlog.get_logger(__name__)

# Characters of HTML; some 2,000 messages of usual length.
HTML_MAX = 2_000_000
CPU_SECONDS = 60
# The child is nice to everybody else, so its CPU seconds may take longer.
_WAIT_SECONDS = 120
# At once in one process: each takes a core for seconds.
LIMIT = 2
_printers = BoundedSemaphore(LIMIT)


@contextmanager
def printer() -> Iterator[Callable[[str], bytes]]:
    """One of the few there are, as the function `print_pdf`. Take it before making what
    is to be printed. Raises ExportBusyError."""
    if not _printers.acquire(blocking=False):
        raise ExportBusyError
    try:
        yield print_pdf
    finally:
        _printers.release()


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
    command = [sys.executable, "-I", str(Path(program.__file__)), str(CPU_SECONDS)]
    try:
        done = subprocess.run(  # noqa: S603  # our own program, no shell
            command,
            input=html.encode("utf-8", "replace"),
            capture_output=True,
            env=environment,
            timeout=_WAIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PdfTooLongError from error
    if done.returncode in (program.TOO_LARGE, -signal.SIGXCPU, -signal.SIGKILL):
        raise PdfTooLongError
    if done.returncode != 0:
        # Not what the exception says, which may repeat the conversation.
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        kind = last.partition(":")[0][:100]
        logger.error("pdf failed", exit_code=done.returncode, kind=kind)
        raise PdfUnavailableError
    return done.stdout
