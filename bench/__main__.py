"""All measurements of docs/performance.md, written into it: `make bench`, some twenty
minutes on two cores.

Each table stands between two comments that name it; the text around them stays.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path("docs/performance.md")
# A process each: what one has started must not weigh on the next.
BENCHES = ("streams", "lanes", "conversations", "search")


def main() -> None:
    for name in BENCHES:
        print(f"python -m bench.{name}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{name}"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        print(done.stdout, flush=True)
        write(name, done.stdout)


def write(name: str, table: str) -> None:
    """Replace what the page shows for this bench."""
    begin, end = f"<!-- bench {name} -->\n", f"<!-- end {name} -->"
    page = PAGE.read_text()
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE} has no place for the table of bench.{name}.")
    PAGE.write_text(pattern.sub(lambda _: f"{begin}\n{table.strip()}\n\n{end}", page))


if __name__ == "__main__":
    main()
