"""The catalogue as a Delta table: only the lines that have changed are written, in one commit.

`catalogue.parquet` is written anew each time, which is right up to some millions of lines. In a
Delta table a line is found by its `row_id` and by a digest of all of it, so that an invocation
which changed a thousand lines of ten million commits a thousand. Readers see one version or the
next. There is one committer at a time: whoever calls this has the turn, and reads the catalogue
while having it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.edges.recall import CATALOGUE_FILE
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import CannotStart

ROW, DIGEST, GONE = "row_id", "line_digest", "line_is_gone"
BATCH_LINES = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What became of the Delta table."""

    version: int
    written: int
    """Lines that are new or changed."""
    removed: int
    """Lines whose rows have left the tables."""
    lines: int


def commit_changes(folder: ResultsFolder, url: str) -> Committed:
    """Brings a Delta table up to the catalogue. Nothing is committed where nothing has changed."""
    deltalake = _deltalake()
    if not folder.has(CATALOGUE_FILE):
        raise CannotStart(f"{folder.path(CATALOGUE_FILE)} is not there. Run `generate` first.")
    try:
        there = deltalake.DeltaTable.is_deltatable(url)
        table = deltalake.DeltaTable(url) if there else None
        known = None if table is None else _known(table)
        with folder.files.open_input_file(folder.path(CATALOGUE_FILE)) as stream:
            file = pq.ParquetFile(stream)
            changed, now = _compared(file, known)
        removed = _removed(known, now)
        if table is None:
            deltalake.write_deltalake(url, changed, mode="error")
            table = deltalake.DeltaTable(url)
        elif changed.num_rows or len(removed):
            _merge(table, changed, removed)
    except (deltalake.exceptions.DeltaError, OSError) as error:
        raise CannotStart(
            f"The Delta table {without_credentials(url)} cannot be brought up to date: {error} "
            "If columns of your tables have changed their types, export into a new one."
        ) from error
    return Committed(
        version=table.version(),
        written=changed.num_rows,
        removed=len(removed),
        lines=len(now),
    )


def _deltalake() -> Any:
    try:
        import deltalake  # noqa: PLC0415 - optional, and large
    except ImportError:
        raise CannotStart(
            "A Delta table needs its package: pip install 'prefect-omnihuman[delta]'"
        ) from None
    return deltalake


def _known(table: Any) -> pa.Table:
    """What stands in the Delta table: who, and what it looked like."""
    reader = pa.RecordBatchReader.from_stream(
        table.to_pyarrow_dataset().scanner([ROW, DIGEST]).to_reader()
    )
    return reader.read_all()


def _compared(file: pq.ParquetFile, known: pa.Table | None) -> tuple[pa.Table, pa.Array]:
    """The lines that are not there as they are now, and the names of all of them."""
    changed: list[pa.Table] = []
    names: list[pa.Array] = []
    ids = None if known is None else known[ROW].combine_chunks()
    digests = None if known is None else known[DIGEST].combine_chunks()
    for batch in file.iter_batches(BATCH_LINES):
        lines = pa.Table.from_batches([batch]).replace_schema_metadata()
        lines = lines.append_column(DIGEST, pa.array(_digests(lines), pa.string()))
        row_ids = lines[ROW].combine_chunks().cast(pa.string())
        names.append(row_ids)
        if ids is None or digests is None:
            changed.append(lines)
            continue
        before = digests.take(pc.index_in(row_ids, value_set=ids.cast(row_ids.type)))
        same = pc.fill_null(pc.equal(before.cast(pa.string()), lines[DIGEST]), fill_value=False)
        changed.append(lines.filter(pc.invert(same)))
    empty = file.schema_arrow.remove_metadata().append(pa.field(DIGEST, pa.string()))
    # A line that has gone is told by its name alone, so nothing else may be demanded of lines.
    loose = pa.schema([field.with_nullable(True) for field in empty])  # noqa: FBT003 - no keyword
    table = pa.concat_tables([loose.empty_table(), *(one.cast(loose) for one in changed)])
    return table, pa.concat_arrays(names) if names else pa.array([], pa.string())


def _digests(lines: pa.Table) -> Iterator[str]:
    for line in lines.to_pylist():
        yield blake2b(repr(line).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _removed(known: pa.Table | None, now: pa.Array) -> pa.Array:
    if known is None:
        return pa.array([], pa.string())
    ids = known[ROW].combine_chunks().cast(pa.string())
    return ids.filter(pc.invert(pc.is_in(ids, value_set=now)))


def _merge(table: Any, changed: pa.Table, removed: pa.Array) -> None:
    """One commit, whatever it does."""
    gone = pa.table({ROW: removed})
    source = pa.concat_tables(
        [
            changed.append_column(GONE, pa.array([False] * changed.num_rows, pa.bool_())),
            gone.append_column(GONE, pa.array([True] * gone.num_rows, pa.bool_())),
        ],
        promote_options="permissive",
    )
    columns = {name: f"source.`{name}`" for name in changed.column_names}
    (
        table.merge(
            source,
            predicate=f"target.{ROW} = source.{ROW}",
            source_alias="source",
            target_alias="target",
            merge_schema=True,
        )
        .when_matched_delete(predicate=f"source.{GONE}")
        .when_matched_update(updates=columns, predicate=f"NOT source.{GONE}")
        .when_not_matched_insert(updates=columns, predicate=f"NOT source.{GONE}")
        .execute()
    )
