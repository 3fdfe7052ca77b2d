"""The lines of the tables and what is known of them -> `coverage.parquet`, all by column.

One line for each script, locale and avatar: how many takes are done, missing, stale or rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from omnihuman_blocks.domain.coverage import Because, Covered, Square
from omnihuman_blocks.domain.outcome import RowState
from omnihuman_blocks.domain.planned import Plan, Verdict
from omnihuman_blocks.edges.columns import CATALOGUE, FINGERPRINT, MADE_FROM
from omnihuman_blocks.edges.joining import NONE
from omnihuman_blocks.edges.origins import hashes_now, texts_now
from omnihuman_blocks.edges.recall import CATALOGUE_FILE, Recognised, read_known
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.tables import Places, Tables

COVERAGE_FILE = "coverage.parquet"
STATES = tuple(Covered)
REASONS = tuple(Because)
IDS = ["script_id", "locale", "avatar_id"]

Codes = npt.NDArray[np.int8]


def cover_plan(
    folder: ResultsFolder, plan: Plan, tables: Tables, recognised: Recognised
) -> pa.Table:
    """By the tables as they are now: what would be bought is missing, or stale."""
    codes = np.full(len(tables), STATES.index(Covered.MISSING), dtype=np.int8)
    codes[recognised.kept] = STATES.index(Covered.DONE)
    for row in plan.rows:
        if row.verdict in (Verdict.REJECTED, Verdict.DONE):
            covered = Covered.DONE if row.verdict is Verdict.DONE else Covered.REJECTED
            codes[row.place] = STATES.index(covered)
    known = read_known(folder, CATALOGUE_FILE, CATALOGUE, [FINGERPRINT, "row_id", "made_from"])
    if known is None:
        return _cells(tables, codes, pa.nulls(len(tables), MADE_FROM))
    return _cells(tables, codes, _made_from(known, plan, recognised))


def _made_from(known: pa.Table, plan: Plan, recognised: Recognised) -> pa.StructArray:
    """Recognised lines are found by their fingerprint, the others by their row."""
    where = np.asarray(
        pc.fill_null(
            pc.index_in(recognised.prints, value_set=known[FINGERPRINT].combine_chunks()), NONE
        )
    ).astype(np.int64)
    where[~recognised.kept] = NONE
    ids = pa.array([row.row_id for row in plan.rows], pa.string())
    found = pc.index_in(ids, value_set=known["row_id"].combine_chunks())
    places = np.array([row.place for row in plan.rows], dtype=np.int64)
    where[places] = np.asarray(pc.fill_null(found, NONE))
    return known["made_from"].combine_chunks().take(pa.array(where, mask=where == NONE))


def cover_catalogue(folder: ResultsFolder, tables: Tables) -> pa.Table | None:
    """By the catalogue that was just written, whose lines are those of the tables.

    None where somebody else has written another one meanwhile, who covers that one.
    """
    known = read_known(folder, CATALOGUE_FILE, CATALOGUE, ["state", "made_from"])
    if known is None or known.num_rows != len(tables):
        return None
    codes = np.full(len(tables), STATES.index(Covered.MISSING), dtype=np.int8)
    for state, covered in (
        (RowState.DONE, Covered.DONE),
        (RowState.REJECTED, Covered.REJECTED),
    ):
        codes[np.asarray(pc.equal(known["state"], state.value))] = STATES.index(covered)
    return _cells(tables, codes, known["made_from"].combine_chunks())


def _cells(tables: Tables, codes: Codes, made_from: pa.StructArray) -> pa.Table:
    places: Places = np.arange(len(tables))
    texts, hashes = texts_now(tables, places), hashes_now(tables, places)
    text = _differs(made_from, "text_sha256", texts)
    source = _differs(made_from, "source_hash", hashes)
    was_made = np.asarray(pc.is_valid(pc.struct_field(made_from, "clip_key")))
    is_missing = codes == STATES.index(Covered.MISSING)
    media = was_made & is_missing & ~text & ~source
    stale = (was_made & is_missing) | ((codes == STATES.index(Covered.DONE)) & (text | source))
    codes = np.where(stale, np.int8(STATES.index(Covered.STALE)), codes)
    reasons = np.select([~stale, text, source, media], [len(REASONS), 0, 1, 2], len(REASONS))
    columns: dict[str, pa.Array | npt.NDArray[np.generic]] = {
        **{name: _ids(tables, name) for name in IDS},
        "state": codes,
        "reason": reasons.astype(np.int8),
    }
    for number, covered in enumerate(STATES):
        columns[covered.value] = (codes == number).astype(np.int32)
    return _grouped(pa.table(columns))


def _differs(made_from: pa.StructArray, name: str, now: pa.Array) -> npt.NDArray[np.bool_]:
    differs = pc.not_equal(pc.struct_field(made_from, name), now)
    return np.asarray(pc.fill_null(differs, fill_value=False))


def _grouped(lines: pa.Table) -> pa.Table:
    """Takes of one cell together; the state is that of the worst."""
    counts = [covered.value for covered in reversed(STATES)]
    groups = lines.group_by(IDS, use_threads=False).aggregate(
        [("state", "min"), ("reason", "min"), *((name, "sum") for name in counts)]
    )
    names = pa.array([covered.value for covered in STATES])
    reasons = pa.array([because.value for because in REASONS] + [None], pa.string())
    return pa.table(
        {
            **{name: groups[name] for name in IDS},
            "state": names.take(groups["state_min"].combine_chunks()),
            "stale_because": reasons.take(groups["reason_min"].combine_chunks()),
            **{name: pc.cast(groups[f"{name}_sum"], pa.int32()) for name in counts},
        }
    )


def _ids(tables: Tables, name: str) -> pa.Array:
    """A cell of the line's script; its avatar's own id where it has met one."""
    lines = tables.lines
    found = pa.nulls(len(tables), pa.string())
    for sheet, index in ((tables.avatars, lines.avatar), (tables.scripts, lines.script)):
        if name in sheet.ours.column_names and len(sheet):
            column = pc.cast(sheet.ours[name].combine_chunks(), pa.string())
            found = pc.coalesce(found, column.take(pa.array(index, mask=index == NONE)))
    return found


def write_coverage(folder: ResultsFolder, cells: pa.Table) -> None:
    """Replaces `coverage.parquet`."""

    def write(file: IO[bytes]) -> None:
        pq.write_table(cells, file, compression="zstd")

    folder.replace(COVERAGE_FILE, write)


def squares(cells: pa.Table) -> Sequence[Square]:
    """The cells counted by locale and avatar."""
    groups = cells.group_by(["locale", "avatar_id", "state"]).aggregate([([], "count_all")])
    counts: dict[tuple[str | None, str | None], dict[Covered, int]] = {}
    for group in groups.to_pylist():
        here = counts.setdefault((group["locale"], group["avatar_id"]), {})
        here[Covered(group["state"])] = group["count_all"]
    return [
        Square(locale=locale, avatar_id=avatar, cells=here)
        for (locale, avatar), here in counts.items()
    ]
