"""Streams through Parley, through a byte relay and through LiteLLM, in one run.

`python -m bench.streams [--runs 3] [--only parley]` prints the tables of
docs/performance.md; `make bench` writes them there, with all others.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.client import run
from bench.contenders import OTHER_CORE, Contender, Running, contenders, stand_in
from bench.sampling import Sampler
from bench.tenant import prepare, stored_turns

# A reply of ordinary length at an ordinary pace.
TOKENS, GAP_MS = 400, 50
LOADS = (1, 100, 300, 1000)
# Streams that are begun in a second, except where they all begin at once.
_STARTS_A_SECOND = 100


@dataclass(frozen=True, slots=True)
class Case:
    title: str
    streams: int
    tokens: int = TOKENS
    gap: int = GAP_MS
    ramp: float | None = None
    together: bool = False

    @property
    def model(self) -> str:
        """What bench.provider plays."""
        return f"bench-{self.tokens}x{self.gap}" + "-together" * self.together

    @property
    def seconds(self) -> float:
        if self.ramp is not None:
            return self.ramp
        return self.streams / _STARTS_A_SECOND


# Tokens without any pace, for the most that one core can pass on.
_FLAT_OUT = Case("flat out", 8, 16_000, 0, ramp=0)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run; times in milliseconds, memory in KiB."""

    whole: int
    stored: int | None
    first: float
    first_95: float
    gap_99: float
    tail_95: float
    cpu_per_thousand: float
    cpu_together: float
    tokens_per_second: float
    kib_per_stream: float
    threads: int
    connections: int


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.streams", description=__doc__
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a contender's name")
    parser.add_argument("--loads", type=int, nargs="*", default=list(LOADS))
    options = parser.parse_args()
    for line in tables(options.runs, options.only.lower(), options.loads):
        print(line, flush=True)


def tables(runs: int, only: str = "", loads: Sequence[int] = LOADS) -> Iterator[str]:
    """Markdown; medians of `runs` rounds through all servers, since the machine's own
    speed changes within minutes."""
    os.sched_setaffinity(0, OTHER_CORE)
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        stand_in() as provider,
    ):
        Path(folder).chmod(0o755)  # as root the database runs as another user
        prepared = prepare(Path(folder), f"http://127.0.0.1:{provider}/v1")
        measured: dict[Contender, dict[Case, list[Figures]]] = {
            contender: {}
            for contender in contenders(Path(folder), provider, prepared)
            if only in contender.name.lower()
        }
        for number in range(runs):
            for contender, figures in measured.items():
                if number < contender.most_runs:
                    print(f"round {number + 1}: {contender.name}", file=sys.stderr)
                    _measure(contender, loads, number, figures)
    yield (
        "| server | streams | whole | stored | TTFT p50/p95 ms | gap p99 ms "
        "| stored after p95 ms | CPU s per 1,000 tokens | of these, while all run "
        "| KiB a stream | threads | connections |"
    )
    yield "|" + " --- |" * 12
    for contender, figures in measured.items():
        for case, found in figures.items():
            if case != _FLAT_OUT:
                yield _row(contender, case, found)
    yield ""
    yield "| server | tokens/s through one worker, flat out |"
    yield "| --- | --- |"
    for contender, figures in measured.items():
        yield _flat_out(contender, figures[_FLAT_OUT])


def _measure(
    contender: Contender,
    loads: Sequence[int],
    number: int,
    figures: dict[Case, list[Figures]],
) -> None:
    """One round."""
    with contender.start() as server:
        _once(contender, server, Case("warm-up", 64, 40, 10))
        for case in (*_cases(contender, loads), _FLAT_OUT):
            # Repeated where figures are compared; a thousand streams take a minute.
            if not number or case.streams <= 300:
                found = _once(contender, server, case)
                figures.setdefault(case, []).append(found)


def _cases(contender: Contender, loads: Sequence[int]) -> Iterator[Case]:
    for streams in loads:
        if streams == 1:
            # Ten that are each alone, since one is no measure.
            yield Case("1 at a time", 10, 40, ramp=25)
        elif streams <= contender.most_streams:
            yield Case(f"{streams}", streams)
    if 100 in loads and contender.name.startswith("Parley"):
        yield Case("100, begun at the same moment", 100, ramp=0)
        yield Case("100, ended at the same moment", 100, together=True)
    if 1000 in loads and contender.name.endswith("2 workers"):
        yield Case("1000, of 10 tokens/s", 1000, 200, 100)


def _once(contender: Contender, server: Running, case: Case) -> Figures:
    is_parley = contender.name.startswith("Parley")
    before = stored_turns() if is_parley else 0
    with Sampler(server.pid) as used:
        load = run(
            server.target(case.model),
            streams=case.streams,
            ramp=case.seconds,
            tokens=case.tokens,
        )
    cpu, share = used.cpu_between(*load.together)
    return Figures(
        whole=load.whole,
        stored=stored_turns() - before if is_parley else None,
        first=_ms(load.first, 50),
        first_95=_ms(load.first, 95),
        gap_99=_ms(load.gaps, 99),
        tail_95=_ms(load.tail, 95),
        cpu_per_thousand=used.cpu * 1000 / max(load.tokens, 1),
        cpu_together=cpu * 1000 / max(load.tokens_together * share, 1),
        tokens_per_second=load.tokens / load.seconds,
        kib_per_stream=(used.rss - used.rss_before) / case.streams,
        threads=used.threads,
        connections=used.connections,
    )


def _row(contender: Contender, case: Case, figures: list[Figures]) -> str:
    def median(name: str) -> float:
        values: list[float] = [getattr(one, name) for one in figures]
        return statistics.median(values)

    stored = "-" if figures[0].stored is None else f"{median('stored'):.0f}"
    parley = figures[0].stored is not None
    cells = [
        contender.name,
        case.title,
        f"{median('whole'):.0f}/{case.streams}",
        stored,
        f"{median('first'):.0f} / {median('first_95'):.0f}",
        f"{median('gap_99'):.0f}",
        f"{median('tail_95'):.0f}" if parley else "-",
        f"{median('cpu_per_thousand'):.3f}",
        f"{together:.3f}" if (together := median("cpu_together")) else "-",
        f"{max(one.kib_per_stream for one in figures):.0f}",
        f"{max(one.threads for one in figures)}",
        f"{max(one.connections for one in figures)}" if parley else "-",
    ]
    return "| " + " | ".join(cells) + " |"


def _flat_out(contender: Contender, figures: list[Figures]) -> str:
    speed = statistics.median(one.tokens_per_second for one in figures)
    whole = min(one.whole for one in figures)
    streams = _FLAT_OUT.streams
    lost = "" if whole == streams else f" ({whole} of {streams} whole)"
    return f"| {contender.name} | {speed:,.0f}{lost} |"


def _ms(values: list[float], percent: int) -> float:
    ordered = sorted(values) or [float("nan")]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


if __name__ == "__main__":
    main()
