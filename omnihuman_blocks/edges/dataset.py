"""A plan and what the ledger says of it in, the files of a results folder out.

The catalogue is a pure function of the two: writing it again changes nothing. Lines that were
recognised as done are copied by column from the files that are there, whatever their number; the
carried columns always come from the tables as they are now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from omnihuman_blocks.domain.catalogue import catalogue_lines
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.outcome import JobOutcome, Joined, Published
from omnihuman_blocks.domain.planned import Plan, Verdict
from omnihuman_blocks.edges.columns import (
    CATALOGUE,
    FINGERPRINT,
    PLAN,
    TIME,
    carried_names,
    catalogue_table,
    plan_table,
    rejections_table,
)
from omnihuman_blocks.edges.copying import NOWHERE, OldLines, pick, take
from omnihuman_blocks.edges.fingerprints import KIND
from omnihuman_blocks.edges.joining import NONE
from omnihuman_blocks.edges.origins import with_origins
from omnihuman_blocks.edges.recall import CATALOGUE_FILE, PLAN_FILE, Recognised, known_file
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.sheets import Sheet
from omnihuman_blocks.edges.tables import Places, Tables
from omnihuman_blocks.errors import CannotStart

HISTORY = "history"
REJECTIONS_FILE = "rejections.parquet"
FORMAT = {b"omnihuman_format": b"1"}
BATCH_LINES = 1 << 16


def write_plan(folder: ResultsFolder, plan: Plan, tables: Tables, recognised: Recognised) -> None:
    """`plan.parquet`: every line, with its media, options and rejections.

    `rejections.parquet` beside it has each cell to mend once, and is empty where there is none.
    """
    fresh = plan_table(plan.rows)
    places = np.array([row.place for row in plan.rows], dtype=np.int64)
    _write(folder, PLAN_FILE, _Lines(PLAN, fresh, places), tables, recognised)
    rejections = rejections_table(plan.rejections).replace_schema_metadata(FORMAT)
    folder.replace(
        REJECTIONS_FILE, lambda file: pq.write_table(rejections, file, compression="zstd")
    )


def write_catalogue(
    folder: ResultsFolder,
    plan: Plan,
    outcomes: Mapping[JobKey, JobOutcome],
    tables: Tables,
    recognised: Recognised,
    *,
    clips: Mapping[str, Joined] | None = None,
    published: Mapping[str, Published] | None = None,
) -> None:
    """`catalogue.parquet`: every line as it stands now.

    `clips` are joined videos by clip key, `published` their captions and posters by row id.
    """
    fresh = catalogue_table(catalogue_lines(plan.rows, outcomes, clips, published))
    places = np.array([row.place for row in plan.rows], dtype=np.int64)
    fresh = with_origins(folder, fresh, places, tables)
    _write(folder, CATALOGUE_FILE, _Lines(CATALOGUE, fresh, places), tables, recognised)


@dataclass(frozen=True)
class _Lines:
    """Lines of one file that are new, and the places where they go."""

    schema: pa.Schema
    table: pa.Table
    places: Places


def _write(
    folder: ResultsFolder, name: str, lines: _Lines, tables: Tables, recognised: Recognised
) -> None:
    carried = _carried_columns(tables)
    schema = pa.schema(
        [*lines.schema, pa.field(FINGERPRINT, KIND), *carried.schema], metadata=FORMAT
    )
    source = np.full(len(tables), NOWHERE, dtype=np.int64)
    source[lines.places] = np.arange(len(lines.places))
    with _old_lines(folder, name, lines.schema, recognised) as (old, index):
        source[np.flatnonzero(recognised.kept)] = index + lines.table.num_rows
        if (source == NOWHERE).any():
            raise ValueError("a line of the tables is neither planned nor recognised")

        def write(file: IO[bytes]) -> None:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for start in range(0, len(tables), BATCH_LINES):
                    batch = slice(start, min(start + BATCH_LINES, len(tables)))
                    own = pick(lines.table, old, source[batch])
                    if lines.schema is PLAN:
                        own = _as_now(own, tables, recognised.kept, batch)
                    printed = pa.chunked_array([recognised.prints[batch]], KIND)
                    columns = [*own.columns, printed, *carried.rows(batch)]
                    writer.write_table(pa.Table.from_arrays(columns, schema=schema))

        folder.replace(name, write)


def _as_now(own: pa.Table, tables: Tables, kept: npt.NDArray[np.bool_], batch: slice) -> pa.Table:
    """Lines of a plan that were copied from the last one, brought up to date."""
    script, avatar = tables.lines.script[batch], tables.lines.avatar[batch]
    done = pa.array(kept[batch])
    now = {
        "place": pa.array(np.arange(batch.start, batch.stop)),
        "verdict": pc.if_else(done, Verdict.DONE.value, own["verdict"]),
        "script_row": _numbers(tables.scripts, script),
        "avatar_row": _numbers(tables.avatars, avatar),
    }
    for name, column in now.items():
        position = own.schema.get_field_index(name)
        own = own.set_column(position, own.schema.field(name), column)
    return own


def _numbers(sheet: Sheet, index: Places) -> pa.Array:
    return pc.take(pa.array(sheet.numbers), pa.array(index, mask=index == NONE))


@contextmanager
def _old_lines(
    folder: ResultsFolder, name: str, schema: pa.Schema, recognised: Recognised
) -> Iterator[tuple[OldLines | None, Places]]:
    """The file as it is, and where the recognised lines are in it, in the order of the tables.

    Looked up by fingerprint and not by position: the file may have been replaced meanwhile.
    """
    if not recognised.count:
        yield None, np.zeros(0, dtype=np.int64)
        return
    with known_file(folder, name, schema) as file:
        index = None
        if file is not None:
            wanted = recognised.prints.filter(pa.array(recognised.kept))
            prints = file.read([FINGERPRINT])[FINGERPRINT].combine_chunks()
            index = pc.index_in(wanted, value_set=prints)
        if file is None or index is None or index.null_count:
            raise CannotStart(
                f"{folder.path(name)} was changed while this ran. Run it again: what was bought "
                "is in the ledger."
            )
        yield OldLines(file, schema.names), np.asarray(index).astype(np.int64)


@dataclass(frozen=True)
class _Carried:
    """The other columns of both tables, under their names in the catalogue."""

    tables: Tables
    schema: pa.Schema

    def rows(self, batch: slice) -> list[pa.ChunkedArray]:
        lines = self.tables.lines
        scripts = take(self.tables.scripts.carried, lines.script[batch])
        avatars = take(self.tables.avatars.carried, lines.avatar[batch])
        return [*scripts.columns, *avatars.columns]


def _carried_columns(tables: Tables) -> _Carried:
    names = carried_names(tables)
    sheets = (tables.scripts.carried, tables.avatars.carried)
    fields = [
        pa.field(renamed[field.name], field.type)
        for renamed, carried in zip(names, sheets, strict=True)
        for field in carried.schema
    ]
    return _Carried(tables, pa.schema(fields))


def write_history(
    folder: ResultsFolder,
    plan: Plan,
    outcomes: Mapping[JobKey, JobOutcome],
    *,
    began_at: datetime,
    ended_at: datetime,
    clips: Mapping[str, Joined] | None = None,
) -> str:
    """One file more, with the lines that this invocation looked at; nothing is ever replaced."""
    lines = catalogue_table(catalogue_lines(plan.rows, outcomes, clips))
    for position, (column, moment) in enumerate((("began_at", began_at), ("ended_at", ended_at))):
        moments = pa.array([moment] * lines.num_rows, TIME)
        lines = lines.add_column(position, pa.field(column, TIME, nullable=False), moments)
    name = f"{HISTORY}/{ended_at:%Y%m%dT%H%M%SZ}-{token_hex(4)}.parquet"

    def write(file: IO[bytes]) -> None:
        pq.write_table(lines.replace_schema_metadata(FORMAT), file, compression="zstd")

    folder.create(name, write)
    return name
