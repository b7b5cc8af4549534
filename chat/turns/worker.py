"""What this process is called in the rows of the turns it runs."""

from __future__ import annotations

import os
import secrets
import socket
from functools import lru_cache


@lru_cache(maxsize=1)
def worker_name() -> str:
    """Host, process id and a random part: ids of processes come again."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
