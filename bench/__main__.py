"""All measurements, written into docs/performance.md and docs/usage.md: `make bench`,
half an hour on two cores.

Each table stands between two comments that name it; the text around them stays.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PERFORMANCE, USAGE = Path("docs/performance.md"), Path("docs/usage.md")
# A process each: what one has started must not weigh on the next.
BENCHES = {
    "streams": PERFORMANCE,
    "lanes": PERFORMANCE,
    "conversations": PERFORMANCE,
    "search": PERFORMANCE,
    "pages": PERFORMANCE,
    "usage": USAGE,
    "ledger": USAGE,
}


def main() -> None:
    for name, page in BENCHES.items():
        print(f"python -m bench.{name}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{name}"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        print(done.stdout, flush=True)
        write(page, name, done.stdout)


def write(path: Path, name: str, table: str) -> None:
    """Replace what the page shows for this bench."""
    begin, end = f"<!-- bench {name} -->\n", f"<!-- end {name} -->"
    page = path.read_text()
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{path} has no place for the table of bench.{name}.")
    path.write_text(pattern.sub(lambda _: f"{begin}\n{table.strip()}\n\n{end}", page))


if __name__ == "__main__":
    main()
