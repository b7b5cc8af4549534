"""Whether the ledger says what the provider sent: `python -m bench.ledger`.

A thousand turns of every sort, 40 at once, at two worker processes: completed,
stopped, left by their reader, cut off, refused, repeated, answered by a fallback, with
tools. The stand-in counts its calls and what it reported; then every turn is compared,
and the sums, budgets, messages and conversations with the ledger.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import django

from bench.contenders import parley
from bench.tenant import prepare


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--turns", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        Path(folder).chmod(0o755)  # as root the database runs as another user
        prepared = prepare(Path(folder), "http://127.0.0.1:9/v1")
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        # Not before the database is there.
        from bench.accounts import Accounts

        with Accounts(options.turns) as accounts, parley(prepared, 0, 2) as server:
            begun = time.perf_counter()
            accounts.run(server.target("bench-1x0").port, prepared.key)
            seconds = time.perf_counter() - begun
            print("\n".join(accounts.table()))
            print(f"\n{options.turns} turns in {seconds:.0f} s.")
            if found := accounts.differences():
                raise SystemExit("The accounts differ:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
