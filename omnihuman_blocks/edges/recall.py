"""The files of a results folder in, what they know out: as DataFrames, as counts, by column.

Nothing here makes a Python object of a line that nobody asked for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.outcome import RowState
from omnihuman_blocks.domain.summary import Tally
from omnihuman_blocks.edges.columns import CATALOGUE, FINGERPRINT, PLAN
from omnihuman_blocks.edges.fingerprints import KIND
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.tables import Places
from omnihuman_blocks.errors import CannotStart

CATALOGUE_FILE = "catalogue.parquet"
PLAN_FILE = "plan.parquet"
PARTS_KEY = "parts.list.element.job_key"
SHOWN = ("poster_uri", "captions_srt_uri", "captions_vtt_uri", "captioned_uri")

Results: TypeAlias = "str | os.PathLike[str] | ResultsFolder"


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """Which lines of the tables are done and unchanged, by what the results folder knows."""

    prints: pa.Array
    """The fingerprint of every line."""
    kept: npt.NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many."""
        return int(np.count_nonzero(self.kept))

    @property
    def fresh(self) -> Places:
        """The places of the others, which have to be planned."""
        return np.flatnonzero(~self.kept)


def recognise(
    folder: ResultsFolder,
    prints: pa.Array,
    *,
    videos: Collection[str] | None = None,
    shown: Collection[str] | None = None,
    soft: bool = False,
) -> Recognised:
    """What need not be planned again: lines that both files know and the catalogue calls done.

    `videos` are the addresses of those that are there; a line whose video has gone is not done.
    Neither is one whose poster or captions are not among `shown`. `soft`: videos with captions
    inside are wanted, too.
    """
    names = [FINGERPRINT, "state", "reused", "video_uri", *SHOWN]
    catalogue = read_known(folder, CATALOGUE_FILE, CATALOGUE, names)
    plan = read_known(folder, PLAN_FILE, PLAN, [FINGERPRINT])
    if catalogue is None or plan is None:
        return Recognised(prints=prints, kept=np.zeros(len(prints), dtype=bool))
    done = pc.equal(catalogue["state"], RowState.DONE.value)
    if videos is not None:
        there = pa.array(videos, pa.string())
        done = pc.and_(done, pc.is_in(catalogue["video_uri"], value_set=there))
    if shown is not None:
        done = pc.and_(done, _are_shown(catalogue, pa.array(shown, pa.string()), soft=soft))
    catalogue = catalogue.filter(done)
    known = pc.and_(
        _is_in(prints, catalogue[FINGERPRINT]),
        _is_in(prints, plan[FINGERPRINT]),
    )
    if pc.any(catalogue["reused"]).as_py():
        known = pc.and_not(known, _is_in(prints, _unpaid(folder, prints.filter(known))))
    return Recognised(prints=prints, kept=np.asarray(known))


def _are_shown(catalogue: pa.Table, there: pa.Array, *, soft: bool) -> pa.ChunkedArray:
    """Whether a line's poster is there, and each of its captions."""
    found = pc.is_in(catalogue["poster_uri"], value_set=there)
    for name in SHOWN[1:]:
        column = catalogue[name]
        found = pc.and_(found, pc.or_(pc.is_null(column), pc.is_in(column, value_set=there)))
    if soft:
        can_hold = pc.match_substring_regex(catalogue["video_uri"], r"\.(mp4|mov)$")
        wanted = pc.and_(can_hold, pc.is_valid(catalogue["captions_vtt_uri"]))
        found = pc.and_not(found, pc.and_(wanted, pc.is_null(catalogue["captioned_uri"])))
    return found


def _is_in(prints: pa.Array, some: pa.ChunkedArray) -> pa.Array:
    return pc.is_in(prints, value_set=some.combine_chunks(), skip_nulls=True)


def _unpaid(folder: ResultsFolder, kept: pa.Array) -> pa.ChunkedArray:
    """Lines that use another line's job where that line is none of these: one has to carry it."""
    lines = _kept_lines(folder, kept, ["reused", PARTS_KEY])
    parts = lines["parts"].combine_chunks()
    keys = pc.struct_field(pc.list_flatten(parts), "job_key")
    of_line = pc.list_parent_indices(parts)
    is_carrier = pc.invert(lines["reused"]).take(of_line).combine_chunks()
    carried = pc.is_in(keys, value_set=keys.filter(is_carrier))
    return lines[FINGERPRINT].take(pc.unique(of_line.filter(pc.invert(carried))))


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the recognised lines are made of, and what they cost."""

    jobs: int = 0
    charged_usd: Decimal = Decimal(0)


def sum_up_kept(folder: ResultsFolder, recognised: Recognised) -> Kept:
    """Jobs count once, however many lines use them; so does their cost."""
    if not recognised.count:
        return Kept()
    kept = recognised.prints.filter(pa.array(recognised.kept))
    lines = _kept_lines(folder, kept, ["cost_usd", PARTS_KEY])
    keys = pc.struct_field(pc.list_flatten(lines["parts"].combine_chunks()), "job_key")
    return Kept(
        jobs=pc.count_distinct(keys).as_py(),
        charged_usd=pc.sum(lines["cost_usd"]).as_py() or Decimal(0),
    )


def _kept_lines(folder: ResultsFolder, kept: pa.Array, names: list[str]) -> pa.Table:
    lines = read_known(folder, CATALOGUE_FILE, CATALOGUE, [FINGERPRINT, *names])
    if lines is None:
        return pa.schema([*CATALOGUE, pa.field(FINGERPRINT, KIND)]).empty_table()
    return lines.filter(pc.is_in(lines[FINGERPRINT], value_set=kept, skip_nulls=True))


PART_KEYS = "parts.list.element.job_key"
"""Of every part only its key, as Parquet names it."""


def read_known(
    folder: ResultsFolder, name: str, schema: pa.Schema, columns: list[str] | None = None
) -> pa.Table | None:
    """A file that we wrote, or None where there is none or another version wrote it."""
    with known_file(folder, name, schema) as file:
        try:
            return None if file is None else file.read(columns or [*schema.names, FINGERPRINT])
        except (pa.ArrowException, OSError) as error:
            raise _broken(folder, name, error) from error


@contextmanager
def known_file(
    folder: ResultsFolder, name: str, schema: pa.Schema
) -> Iterator[pq.ParquetFile | None]:
    """The same, open: it stays the same one when another takes its place."""
    with ExitStack() as open_files:
        file = None
        if folder.has(name):
            try:
                stream = folder.files.open_input_file(folder.path(name))
                file = pq.ParquetFile(open_files.enter_context(stream))
            except (pa.ArrowException, OSError) as error:
                raise _broken(folder, name, error) from error
            wanted = pa.schema([*schema, pa.field(FINGERPRINT, KIND)])
            found = {field.name: field.type for field in file.schema_arrow}
            if any(found.get(field.name) != field.type for field in wanted):
                file = None
        yield file


def _broken(folder: ResultsFolder, name: str, error: Exception) -> CannotStart:
    return CannotStart(
        f"{folder.path(name)} cannot be read: {error}. It is replaced whole or not at all, so "
        "something else has touched it: move it away; it is written anew from the ledger."
    )


def read_catalogue(results: Results) -> pd.DataFrame:
    """The catalogue as a DataFrame; money as `Decimal`, times in UTC."""
    return _read_frame(results, CATALOGUE_FILE)


def read_plan(results: Results) -> pd.DataFrame:
    """The last plan as a DataFrame."""
    return _read_frame(results, PLAN_FILE)


def _read_frame(results: Results, name: str) -> pd.DataFrame:
    folder = results if isinstance(results, ResultsFolder) else ResultsFolder.at(results)
    if not folder.has(name):
        raise CannotStart(f"{folder.address} has no `{name}`. Run `omnihuman generate` first.")
    try:
        with folder.files.open_input_file(folder.path(name)) as file:
            frame: pd.DataFrame = pq.ParquetFile(file).read().to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise CannotStart(f"{folder.path(name)} cannot be read: {error}") from error
    return frame.drop(columns=[FINGERPRINT], errors="ignore")


def count_bought(folder: ResultsFolder) -> int:
    """How many rows are done or have at least been sent for; 0 where there is no catalogue."""
    known = read_known(folder, CATALOGUE_FILE, CATALOGUE, ["state", "attempts"])
    if known is None:
        return 0
    done = pc.equal(known["state"], RowState.DONE.value)
    bought = pc.or_(done, pc.greater(known["attempts"], 0))
    return int(pc.sum(bought).as_py() or 0)


TALLIED = ["state", "locale", "provider", "video_seconds", "cost_usd"]


def tally_catalogue(folder: ResultsFolder) -> list[Tally]:
    """The catalogue's rows, counted by state, locale and vendor."""
    table = read_known(folder, CATALOGUE_FILE, CATALOGUE, TALLIED)
    return [] if table is None else tally_lines(table)


def tally_kept(folder: ResultsFolder, recognised: Recognised) -> list[Tally]:
    """The same of the lines that were recognised."""
    kept = recognised.prints.filter(pa.array(recognised.kept))
    return tally_lines(_kept_lines(folder, kept, TALLIED)) if recognised.count else []


def tally_lines(table: pa.Table) -> list[Tally]:
    """The same of any lines of a catalogue."""
    table = table.append_column("unknown", pc.cast(pc.is_null(table["cost_usd"]), pa.int64()))
    groups = table.group_by(["state", "locale", "provider"]).aggregate(
        [([], "count_all"), ("video_seconds", "sum"), ("cost_usd", "sum"), ("unknown", "sum")]
    )
    return [
        Tally(
            state=RowState(group["state"]),
            locale=group["locale"],
            provider=group["provider"],
            rows=group["count_all"],
            video_seconds=Decimal(str(round(group["video_seconds_sum"] or 0, 6))),
            cost_usd=group["cost_usd_sum"] or Decimal(0),
            unknown_costs=group["unknown_sum"],
        )
        for group in groups.to_pylist()
    ]


def carried_jobs(
    folder: ResultsFolder, recognised: Recognised, keys: Collection[JobKey]
) -> frozenset[JobKey]:
    """Those of some jobs whose price stands in a line that was recognised."""
    if not recognised.count or not keys:
        return frozenset()
    wanted = pa.array(keys, pa.string())
    table = read_known(folder, CATALOGUE_FILE, CATALOGUE, [FINGERPRINT, PARTS_KEY])
    if table is None:
        return frozenset()
    parts = table["parts"].combine_chunks()
    found = pc.struct_field(pc.list_flatten(parts), "job_key")
    hits = np.flatnonzero(np.asarray(pc.is_in(found, value_set=wanted)))
    lines = pc.take(pc.list_parent_indices(parts), pa.array(hits))
    kept = recognised.prints.filter(pa.array(recognised.kept))
    carries = pc.is_in(table[FINGERPRINT].take(lines), value_set=kept)
    return frozenset(pc.take(found, pa.array(hits)).filter(carries.combine_chunks()).to_pylist())


def read_makers(folder: ResultsFolder, row_ids: Collection[str]) -> dict[str, str]:
    """Which provider has made these rows, as far as the catalogue calls them done."""
    names = ["row_id", "state", "provider"]
    table = read_known(folder, CATALOGUE_FILE, CATALOGUE, names)
    if table is None or not row_ids:
        return {}
    wanted = pc.and_(
        pc.equal(table["state"], RowState.DONE.value),
        pc.is_in(table["row_id"], value_set=pa.array(row_ids, pa.string())),
    )
    found = table.filter(wanted)
    return dict(zip(found["row_id"].to_pylist(), found["provider"].to_pylist(), strict=True))


def read_flow_runs(folder: ResultsFolder, keys: Collection[JobKey]) -> dict[JobKey, str]:
    """Which flow run worked last at jobs, by the lines whose parts they are."""
    table = read_known(folder, CATALOGUE_FILE, CATALOGUE, [PART_KEYS, "flow_run_id"])
    if table is None or not keys:
        return {}
    parts = table["parts"].combine_chunks()
    jobs = pc.struct_field(pc.list_flatten(parts), "job_key")
    runs = table["flow_run_id"].take(pc.list_parent_indices(parts))
    wanted = pc.and_(pc.is_valid(runs), pc.is_in(jobs, value_set=pa.array(keys, pa.string())))
    found = pa.table({"job": jobs, "run": runs}).filter(wanted)
    return dict(zip(found["job"].to_pylist(), found["run"].to_pylist(), strict=True))


def read_blocked(folder: ResultsFolder) -> frozenset[str]:
    """The clips that the last invocation was kept from buying."""
    table = read_known(folder, CATALOGUE_FILE, CATALOGUE, ["clip_key", "state"])
    if table is None:
        return frozenset()
    blocked = table.filter(pc.equal(table["state"], RowState.BLOCKED.value))
    return frozenset(blocked["clip_key"].to_pylist())
