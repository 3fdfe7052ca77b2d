# ruff: noqa: T201 - a bench prints
"""All measurements, or some of them; what is found is kept in results.json and told in results.md.

    python bench/run.py [PART ...] [--jobs N] [--quick] [--minutes M]

Parts: media ledger start race restart plan rows. Without a name all of them run in this order,
as far as the minutes go; what does not fit, or fails, keeps what was found the last time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import races
import report
import rooms
from course import Ground

HERE = Path(__file__).parent
CAP = 50


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything."""

    small: int = 100
    large: int = 1000
    cap: int = CAP
    seconds: float = 20.0
    looks: int = 100
    ledger_rows: int = 500
    waiting: int = 1000
    planned: int = 1_000_000
    rows: int = 10_000

    @classmethod
    def chosen(cls, jobs: int | None, *, quick: bool) -> Sizes:
        """`quick`: only to see that everything works; its figures mean nothing."""
        if quick:
            n = jobs or 10
            return cls(
                small=n,
                large=2 * n,
                cap=max(1, n // 2),
                seconds=3.0,
                looks=5,
                ledger_rows=30,
                waiting=n,
                planned=1000,
                rows=10 * n,
            )
        if jobs:
            return cls(small=min(jobs, 100), large=jobs, waiting=jobs, rows=jobs, planned=jobs)
        return cls()


class Time:
    """What is left of the minutes."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def is_enough(self, seconds: float) -> bool:
        return self._end is None or time.monotonic() + seconds < self._end


class Book:
    """What was found, by part; written after every finding, so that nothing is lost."""

    def __init__(self, folder: Path) -> None:
        self._file, self._page = folder / "results.json", folder / "results.md"
        self.found: dict[str, Any] = {}
        if self._file.is_file():
            self.found = json.loads(self._file.read_text(encoding="utf-8"))

    def write(self, part: str, key: str, what: dict[str, Any]) -> None:
        """One finding takes the place of the earlier one."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        stamped = {**what, "at": at, "load": round(os.getloadavg()[0], 1)}
        self.found.setdefault(part, {})[key] = stamped
        self.found["machine"] = report.machine()
        self._file.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        self._page.write_text(report.page(self.found), encoding="utf-8")


@dataclass
class Bench:
    """One invocation."""

    ground: Ground
    book: Book
    sizes: Sizes
    time: Time
    failures: int = 0

    def attempt(self, part: str, key: str, seconds: float, work: Callable[[], Any]) -> None:
        """Does it, if there is time; what fails is told and the others go on."""
        name = f"{part}: {key}"
        if not self.time.is_enough(seconds):
            print(
                f"{name}: left out, it takes about {seconds:.0f} s and there is no time", flush=True
            )
            return
        print(f"{name} (about {seconds:.0f} s) ...", flush=True)
        began = time.monotonic()
        try:
            found = work()
        except Exception:  # noqa: BLE001 - one that fails must not take the others with it
            self.failures += 1
            traceback.print_exc()
            return
        self.book.write(part, key, found)
        took = time.monotonic() - began
        print(f"  {took:.0f} s: {report.brief(found)}", flush=True)

    # --- parts ----------------------------------------------------------------------------------

    def race(self) -> None:
        """Everybody against the floor."""
        sizes = self.sizes
        for heat in races.heats(sizes.small, sizes.large, sizes.cap, sizes.seconds):
            self.attempt(
                "race",
                heat.key,
                heat.expected,
                lambda heat=heat: {**races.race(self.ground, heat), "seconds": heat.seconds},
            )

    def media(self) -> None:
        """What looking into one file takes."""
        self.attempt("media", "one video", 6, lambda: rooms.media(self.sizes.looks))

    def ledger(self) -> None:
        """Commits per second."""
        self.attempt("ledger", "rows", 12, lambda: rooms.ledger(self.sizes.ledger_rows))

    def start(self) -> None:
        """From the command to the first purchase."""
        self.attempt("start", "one row", 30, lambda: races.starts(self.ground))

    def restart(self) -> None:
        """After a kill."""
        count = self.sizes.waiting
        seconds = 30 + count / 15
        self.attempt("restart", "killed", seconds, lambda: races.restart(self.ground, count))

    def plan(self) -> None:
        """A large table of which nearly all is done."""
        rows = self.sizes.planned
        self.attempt("plan", "rows", 20 + rows / 6000, lambda: rooms.planning(rows))

    def rows(self) -> None:
        """A large table of new rows."""
        rows = self.sizes.rows
        seconds = 40 + 0.03 * rows
        self.attempt("rows", "rows", seconds, lambda: races.large_tables(self.ground, rows))


PARTS = ("media", "ledger", "start", "race", "restart", "plan", "rows")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    words.add_argument("--jobs", type=int, help="rows of the largest runs; default 1000")
    words.add_argument("--quick", action="store_true", help="tiny, to see that it works")
    words.add_argument("--minutes", type=float, help="leave out what does not fit")
    words.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    told = words.parse_args()
    unknown = set(told.parts) - set(PARTS)
    if unknown:
        words.error(f"no part is called {', '.join(sorted(unknown))}; there are {' '.join(PARTS)}")
    told.out.mkdir(parents=True, exist_ok=True)
    clock, sizes = Time(told.minutes), Sizes.chosen(told.jobs, quick=told.quick)
    with Ground() as ground:
        bench = Bench(ground, Book(told.out), sizes, clock)
        for part in told.parts or PARTS:
            getattr(bench, part)()
    print(f"written to {told.out / 'results.md'}; {bench.failures} failed")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
