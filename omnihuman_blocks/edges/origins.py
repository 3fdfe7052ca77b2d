"""What finished videos were made from, and whether the tables have moved on since.

A video keeps the transcript and the `source_hash` that its row had when it was finished. A row
that is bought anew keeps those of its last finished video until the new one is there.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from omnihuman_blocks.domain.outcome import RowState
from omnihuman_blocks.edges.columns import CATALOGUE, MADE_FROM
from omnihuman_blocks.edges.joining import NONE
from omnihuman_blocks.edges.recall import CATALOGUE_FILE, read_known
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.tables import Places, Tables

SOURCE_HASH = "source_hash"


def with_origins(
    folder: ResultsFolder, fresh: pa.Table, places: Places, tables: Tables
) -> pa.Table:
    """New lines of the catalogue, with column `made_from` filled in."""
    before = origins(folder, fresh["row_id"])
    now = pa.StructArray.from_arrays(
        [
            pc.cast(fresh["clip_key"].combine_chunks(), pa.string()),
            texts_now(tables, places),
            hashes_now(tables, places),
        ],
        fields=list(MADE_FROM),
    )
    is_done = pc.equal(fresh["state"], RowState.DONE.value).combine_chunks()
    same = pc.equal(pc.struct_field(before, "clip_key"), pc.struct_field(now, "clip_key"))
    renewed = pc.and_(is_done, pc.invert(pc.fill_null(same, fill_value=False)))
    made_from = pc.if_else(renewed, now, before)
    position = fresh.schema.get_field_index("made_from")
    return fresh.set_column(position, CATALOGUE.field("made_from"), made_from)


def origins(folder: ResultsFolder, row_ids: pa.ChunkedArray) -> pa.StructArray:
    """What the catalogue says that the last videos of these rows were made from."""
    known = read_known(folder, CATALOGUE_FILE, CATALOGUE, ["row_id", "made_from"])
    if known is None:
        return pa.nulls(len(row_ids), MADE_FROM)
    index = pc.index_in(row_ids.combine_chunks(), value_set=known["row_id"].combine_chunks())
    return known["made_from"].combine_chunks().take(index)


def texts_now(tables: Tables, places: Places) -> pa.Array:
    """The digest of each line's text as it stands in the tables; null where there is none."""
    texts = _column(tables, "text", places, ours=True)
    once = pc.unique(texts)
    digests = pa.array(
        [
            None if text is None else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
            for text in once.to_pylist()
        ],
        pa.string(),
    )
    return digests.take(pc.index_in(texts, value_set=once))


def hashes_now(tables: Tables, places: Places) -> pa.Array:
    """Each line's `source_hash` as it stands in the tables; null where there is none."""
    return _column(tables, SOURCE_HASH, places, ours=False)


def _column(tables: Tables, name: str, places: Places, *, ours: bool) -> pa.Array:
    table = tables.scripts.ours if ours else tables.scripts.carried
    if name not in table.column_names or not table.num_rows:
        return pa.nulls(len(places), pa.string())
    scripts = tables.lines.script[places]
    column = pc.cast(table[name].combine_chunks(), pa.string())
    return column.take(pa.array(scripts, mask=scripts == NONE))
