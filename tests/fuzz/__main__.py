"""`python -m tests.fuzz`: thousands of deaths, and what they cost."""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from omnihuman_blocks.walk.borders import Border
from tests.fuzz.fuzz import Play, Tally, Wrong
from tests.fuzz.rounds import make
from tests.fuzz.world import world

SEED = "OMNIHUMAN_FUZZ_SEED"


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    words.add_argument("--kills", type=int, default=2000, help="as many at least")
    words.add_argument("--seed", type=int, default=None, help=f"or {SEED}; else a random one")
    words.add_argument("--round", type=int, default=None, help="play only this one")
    words.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    words.add_argument("--part", type=int, default=None, help=argparse.SUPPRESS)
    words.add_argument("--tally", type=Path, default=None, help=argparse.SUPPRESS)
    told = words.parse_args()
    if told.seed is None:
        told.seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**31))
    if told.part is not None:
        return work(told)
    if told.round is not None:
        told.part, told.kills = told.round, 1
        return work(told)
    return share(told)


def share(told: argparse.Namespace) -> int:
    """Every worker has a sandbox of its own and plays every nth round."""
    say(f"seed {told.seed}")
    began, total = time.monotonic(), Tally()
    each = -(-told.kills // told.workers)
    with tempfile.TemporaryDirectory(prefix="omnihuman-fuzz-") as folder:
        tallies = [Path(folder) / f"{part}.pickle" for part in range(told.workers)]
        same = ["--seed", str(told.seed), "--workers", str(told.workers), "--kills", str(each)]
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz", *same, "--part", str(part), "--tally", tally]
            )
            for part, tally in enumerate(tallies)
        ]
        wrong = [worker.wait() for worker in workers]
        for tally in tallies:
            if tally.exists():
                total.add(pickle.loads(tally.read_bytes()))  # noqa: S301 - written by ourselves
    report(total, told.seed, time.monotonic() - began)
    return max(wrong)


def work(told: argparse.Namespace) -> int:
    """Plays rounds until enough have died."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # clients that hang up
    tally, number = Tally(), told.part
    try:
        with (
            tempfile.TemporaryDirectory(prefix="omnihuman-fuzz-") as folder,
            world(Path(folder)) as here,
        ):
            while tally.killed < told.kills:
                Play(here, make(told.seed, number), tally).play()
                say(f"round {number}: {tally.killed} kills by this worker")
                number += told.workers
                if told.round is not None:
                    break
    except Wrong as wrong:
        say(f"{wrong}")
        return 1
    finally:
        if told.tally is not None:
            told.tally.write_bytes(pickle.dumps(tally))
    return 0


def report(tally: Tally, seed: int, seconds: float) -> None:
    """The numbers, as they stand in docs/reliability.md."""
    cpu = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    say(f"\nseed {seed}: {tally.killed} kills of {tally.processes} processes")
    say(f"{tally.rounds} rounds, {seconds:.0f} s, {cpu:.0f} s of CPU")
    say(f"{tally.jobs} jobs, {tally.accepted} purchases accepted, {tally.charged} charged")
    say(f"where they stand: {dict(tally.stages)}")
    say(f"in doubt, by vendor and whether it was bought: {dict(tally.doubts)}")
    say(f"faults that struck: {dict(tally.faults.most_common())}")
    say("\n| where it died | kills |\n| --- | --- |")
    for name in [*Border, "in flight", "at a random time"]:
        say(f"| {name} | {tally.kills[name]} |")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
