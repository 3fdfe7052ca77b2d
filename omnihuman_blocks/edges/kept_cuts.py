"""Where the texts of rows were cut, so that an edited text is cut at the same places again.

A file beside the catalogue with a line for each row that is spoken in several stretches: little,
whatever the size of the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import CannotStart

CUTS_FILE = "cuts.parquet"
SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("longest_ms", pa.int64(), nullable=False),
        pa.field("slices", pa.list_(pa.string()), nullable=False),
    ]
)

Slices: TypeAlias = tuple[str, ...]
Cuts: TypeAlias = Mapping[tuple[str, int], Slices]
"""The slices of a text by row id and by how long they may be; none where it is one piece."""


def read_cuts(folder: ResultsFolder) -> dict[tuple[str, int], Slices]:
    """All that are kept."""
    if not folder.has(CUTS_FILE):
        return {}
    try:
        with folder.files.open_input_file(folder.path(CUTS_FILE)) as file:
            lines = pq.read_table(file, schema=SCHEMA).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise CannotStart(
            f"{folder.path(CUTS_FILE)} cannot be read: {error}. Without it texts that were edited "
            "are cut anew, and more than was edited is bought: bring it back, or move it away."
        ) from error
    return {(line["row_id"], line["longest_ms"]): tuple(line["slices"]) for line in lines}


def write_cuts(folder: ResultsFolder, changed: Cuts) -> None:
    """Keeps those that have changed, beside the others."""
    if not changed:
        return
    before = read_cuts(folder)
    merged = {key: slices for key, slices in {**before, **changed}.items() if len(slices) > 1}
    if merged == before:
        return
    lines = [
        {"row_id": row_id, "longest_ms": longest, "slices": list(slices)}
        for (row_id, longest), slices in merged.items()
    ]

    def write(file: IO[bytes]) -> None:
        pq.write_table(pa.Table.from_pylist(lines, SCHEMA), file, compression="zstd")

    folder.replace(CUTS_FILE, write)
