"""How long planning takes when nearly all of a large table is done already, and how much memory.

    python bench/plan_rows.py [--rows 1000000] [--done 0.99]

Makes the tables and a results folder first (in a child of its own, since making a million rows
takes memory that planning does not), then measures the walk from the Parquet files to
`plan.parquet` in another child. Media are not read: their digests are made up and remembered.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options, content
from omnihuman_blocks.domain.outcome import Clip, JobOutcome
from omnihuman_blocks.domain.planning import Circumstances, Offer, judge, plan
from omnihuman_blocks.domain.pricing import Charge, CostBasis, Price
from omnihuman_blocks.domain.row import Entry, Row
from omnihuman_blocks.edges.dataset import write_catalogue, write_plan
from omnihuman_blocks.edges.fingerprints import fingerprints
from omnihuman_blocks.edges.recall import Recognised, carried_jobs, recognise
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.tables import Asked, Tables, read_tables

AVATARS = 50
LOCALES = ("de-DE", "pt_BR", "en", "fr-FR", "zh-Hans-CN")


class Wishes(Options):
    """Options of a made-up vendor."""

    prompt: str | None = content(None, "prompt", "What to do.")


OFFER = Offer(
    provider="fal",
    model="omnihuman",
    options=Wishes,
    limits=lambda _: Limits(),
    price=Price(usd_per_second=Decimal("0.16"), as_of=date(2026, 9, 1), source="made up"),
    stages=frozenset(MediaKind),
)
ASKED = Asked(provider="fal", option_names=frozenset({"prompt", "seed"}))


def make_tables(folder: Path, rows: int) -> None:
    """Scripts that name their avatar, with two carried columns, and a few avatars."""
    numbers = np.arange(rows)
    scripts = pa.table(
        {
            "script_id": [f"script-{number}" for number in range(rows)],
            "locale": np.array(LOCALES)[numbers % len(LOCALES)],
            "avatar_id": [f"avatar-{number % AVATARS}" for number in range(rows)],
            "audio_uri": [f"audio/{number}.wav" for number in range(rows)],
            "prompt": [f"mood {number % 7}" for number in range(rows)],
            "campaign": [f"campaign {number % 11}" for number in range(rows)],
            "priority": numbers,
        }
    )
    avatars = pa.table(
        {
            "avatar_id": [f"avatar-{number}" for number in range(AVATARS)],
            "image_uri": [f"faces/{number}.png" for number in range(AVATARS)],
            "consent_id": [f"consent {number}" for number in range(AVATARS)],
        }
    )
    pq.write_table(scripts, folder / "scripts.parquet")
    pq.write_table(avatars, folder / "avatars.parquet")
    uris = [f"{folder}/audio/{number}.wav" for number in range(rows)]
    uris += [f"{folder}/faces/{number}.png" for number in range(AVATARS)]
    digests = [sha256(uri.encode()).hexdigest() for uri in uris]
    pq.write_table(pa.table({"uri": uris, "sha256": digests}), folder / "memory.parquet")


def circumstances(entries: list[Entry]) -> Circumstances:
    """Media as they would have been examined."""
    rows = [entry for entry in entries if isinstance(entry, Row)]
    named = {(MediaKind.IMAGE, str(row.image_uri)) for row in rows}
    named |= {(MediaKind.AUDIO, str(row.audio_uri)) for row in rows}
    media = {
        (kind, uri): Media(
            kind=kind,
            uri=uri,
            sha256=sha256(uri.encode()).hexdigest(),
            size=1,
            format="wav",
            seconds=Decimal(10),
        )
        for kind, uri in named
    }
    return Circumstances(offers={"fal": OFFER}, media=media)


def prints_of(tables: Tables, folder: Path) -> pa.Array:
    """Fingerprints with every medium remembered."""
    memory = pq.read_table(folder / "memory.parquet")
    return fingerprints(tables, remembered=memory, settings={"options": {}})


def make_results(folder: Path, share: float) -> None:
    """A results folder in which a share of the rows is done, and the others lie among them."""
    tables = read_tables(folder / "scripts.parquet", folder / "avatars.parquet", ASKED)
    entries = list(tables.entries())
    planned = plan(entries, circumstances(entries))
    step = round(1 / (1 - share))
    charge = Charge(usd=Decimal("1.60"), basis=CostBasis.REPORTED)
    outcomes = {
        key: JobOutcome(
            stage=Stage.DONE,
            attempt=1,
            ticket=f"ticket-{number}",
            charge=charge,
            clip=Clip(uri=f"videos/{key}.mp4", sha256=key, size=1, seconds=Decimal(10)),
        )
        for number, key in enumerate(planned.jobs)
        if number % step
    }
    results = ResultsFolder.at(folder / "results")
    nothing = Recognised(prints=prints_of(tables, folder), kept=np.zeros(len(tables), dtype=bool))
    write_plan(results, planned, tables, nothing)
    write_catalogue(results, planned, outcomes, tables, nothing)


def measure(folder: Path, _: float) -> None:
    """The walk, timed step by step: on the clock, and on the processors of a busy machine."""
    steps: dict[str, float] = {}
    spent: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        began, busy = time.perf_counter(), time.process_time()
        found = step()
        steps[name] = round(time.perf_counter() - began, 2)
        spent[name] = round(time.process_time() - busy, 2)
        return found

    scripts, avatars = folder / "scripts.parquet", folder / "avatars.parquet"
    tables = timed("read_tables", lambda: read_tables(scripts, avatars, ASKED))
    prints = timed("fingerprints", lambda: prints_of(tables, folder))
    results = ResultsFolder.at(folder / "results")
    known = timed("recognise", lambda: recognise(results, prints))
    entries = timed("entries", lambda: list(tables.entries(known.fresh)))
    planned = timed("plan", lambda: plan(entries, circumstances(entries), kept=known.count))
    carried = timed("carried_jobs", lambda: carried_jobs(results, known, planned.jobs.keys()))
    planned = timed("judge", lambda: judge(planned, {}, carried=carried))
    steps["planned"], spent["planned"] = sum(steps.values()), sum(spent.values())
    planned_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    timed("write_plan", lambda: write_plan(results, planned, tables, known))
    timed("write_catalogue", lambda: write_catalogue(results, planned, {}, tables, known))
    report = {
        "rows": len(tables),
        "kept": known.count,
        "seconds": steps,
        "processor_seconds": spent,
        "planned_peak_mb": planned_mb,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


def main() -> None:
    """Each step in a child of its own, so that one's memory is not counted as another's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--done", type=float, default=0.99)
    asked = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tables(folder, asked.rows)
        for step in (make_results, measure):
            child = spawn.Process(target=step, args=(folder, asked.done))
            child.start()
            child.join()
            if child.exitcode:
                sys.exit(f"{step.__name__} ended with {child.exitcode}")


if __name__ == "__main__":
    main()
