"""Lines of the tables in, a fingerprint for each out: it changes when the line might.

All that shapes a row's job is in it: the cells that matter, the remembered digests of its media,
the settings of the invocation, the version of the key. A line whose fingerprint is known as done
needs no planning. A medium that is not remembered leaves its lines without a fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnihuman_blocks.domain.identity import KEY_VERSION, canonical
from omnihuman_blocks.domain.wire import Json
from omnihuman_blocks.edges.joining import NONE
from omnihuman_blocks.edges.sheets import Sheet
from omnihuman_blocks.edges.tables import Tables

VERSION = "omnihuman-fingerprint/1"
WIDTH = 16
BATCH_LINES = 1 << 16
KIND = pa.binary(WIDTH)
MEMORY = pa.schema([("uri", pa.large_string()), ("sha256", pa.large_string())])

Digests: TypeAlias = npt.NDArray[np.uint8]
"""One line of `WIDTH` bytes each."""
Known: TypeAlias = npt.NDArray[np.bool_]


def fingerprints(
    tables: Tables, *, remembered: Mapping[str, str] | pa.Table, settings: Json
) -> pa.Array:
    """One for each line; null where a medium is not remembered, and for rejected lines.

    `remembered` has what is known of a medium (its digest) by address: a mapping, or for many
    media a table of two text columns `uri` and `sha256`. `settings` is all else that a job depends
    on: provider, models, options.
    """
    memory = remembered
    if isinstance(remembered, Mapping):
        memory = pa.table({"uri": [*remembered.keys()], "sha256": [*remembered.values()]}, MEMORY)
    salt = hashlib.sha256(canonical([VERSION, KEY_VERSION, settings])).digest()
    scripts, heard = _sheet_digests(tables.scripts, memory, salt, "audio_uri")
    avatars, seen = _sheet_digests(tables.avatars, memory, salt, "image_uri", "mask_uri")
    lines = tables.lines
    usable = (lines.variant > 0) & (lines.script != NONE) & (lines.avatar != NONE)
    usable[usable] &= heard[lines.script[usable]] & seen[lines.avatar[usable]]
    takes = _digests(
        [b"%s%d" % (salt, take) for take in range(int(lines.variant.max(initial=0)) + 1)]
    )
    # Each of the three is a digest of its own kind, so that together they are as good as one.
    found = np.zeros((len(tables), WIDTH), dtype=np.uint8)
    found[usable] = (
        scripts[lines.script[usable]] ^ avatars[lines.avatar[usable]] ^ takes[lines.variant[usable]]
    )
    return _as_column(found, usable)


def _recall(column: pa.ChunkedArray, memory: pa.Table) -> pa.ChunkedArray:
    addresses = pc.cast(memory["uri"], pa.large_string()).combine_chunks()
    return pc.take(
        pc.cast(memory["sha256"], pa.large_string()), pc.index_in(column, value_set=addresses)
    )


def _sheet_digests(
    sheet: Sheet, memory: pa.Table, salt: bytes, *media: str
) -> tuple[Digests, Known]:
    """A digest of each line's cells and media, and whether all its media are remembered."""
    known = np.ones(len(sheet), dtype=bool)
    columns = {name: _as_text(sheet.ours[name]) for name in sheet.ours.column_names}
    for name in media:
        if name in columns:
            recalled = _recall(sheet.ours[name], memory)
            known &= np.asarray(pc.or_(pc.is_valid(recalled), pc.is_null(columns[name])))
            columns[f"{name}:media"] = recalled
    return _hash_lines(columns, len(sheet), salt + sheet.name.encode()), known


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        return pc.binary_join(column, pa.scalar(",", pa.large_string()))
    return pc.cast(column, pa.large_string())


def _hash_lines(columns: Mapping[str, pa.ChunkedArray], length: int, salt: bytes) -> Digests:
    """Hashes `name, length of the cell, cell` of each cell that is there: nothing can be faked."""
    found = np.zeros((length, WIDTH), dtype=np.uint8)
    if not length:
        return found
    table = pa.table(dict(sorted(columns.items())))
    end = pa.scalar("", pa.large_string())
    for start in range(0, length, BATCH_LINES):
        cells = [
            pc.fill_null(
                pc.binary_join_element_wise(
                    pa.scalar(f"{name}\n", pa.large_string()),
                    pc.cast(pc.binary_length(column), pa.large_string()),
                    pa.scalar("\n", pa.large_string()),
                    column,
                    end,
                ),
                "",
            )
            for name, column in zip(
                table.column_names, table.slice(start, BATCH_LINES).columns, strict=True
            )
        ]
        lines = pc.binary_join_element_wise(*cells, end)
        found[start : start + BATCH_LINES] = _digests(
            [salt + line for line in pc.cast(lines, pa.large_binary()).to_pylist()]
        )
    return found


def _digests(lines: list[bytes]) -> Digests:
    sha256 = hashlib.sha256
    whole = b"".join([sha256(line).digest() for line in lines])
    return np.frombuffer(whole, np.uint8).reshape(len(lines), -1)[:, :WIDTH]


def _as_column(found: Digests, usable: Known) -> pa.Array:
    absent = pa.array(~usable)
    column = pa.FixedSizeBinaryArray.from_buffers(KIND, len(found), [None, pa.py_buffer(found)])
    return pc.if_else(absent, pa.scalar(None, KIND), column)
