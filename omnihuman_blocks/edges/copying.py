"""Lines of a file that is there, by number, a few row groups at a time.

A results folder keeps the order of its tables, so neighbours in the new file were neighbours in
the old one, and a million lines can be copied without holding a million lines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from omnihuman_blocks.edges.tables import Places

NOWHERE = -1
MOST_GROUPS = 4
"""Lines of a batch that lie in more row groups than this are in another order: read all."""
MOST_RUNS = 256
"""Up to so many runs of neighbours in a batch, cutting them out is quicker than copying lines."""


class OldLines:
    """The lines of an open Parquet file; the same ones even if it is replaced meanwhile."""

    def __init__(self, file: pq.ParquetFile, columns: Sequence[str]) -> None:
        self._file = file
        self._columns = list(columns)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        self._begins = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._groups: dict[int, pa.Table] = {}

    def around(self, lines: Places) -> tuple[pa.Table, Places]:
        """A table that holds these lines, and where they are in it."""
        wanted = np.unique(np.searchsorted(self._begins, lines, side="right") - 1).tolist()
        if len(wanted) > MOST_GROUPS:
            wanted = list(range(self._file.num_row_groups))
        self._groups = {
            group: self._groups[group]
            if group in self._groups
            else self._file.read_row_group(group, self._columns)
            for group in wanted
        }
        begins = np.zeros(len(self._begins), dtype=np.int64)
        begins[wanted] = np.cumsum([0, *(self._groups[group].num_rows for group in wanted[:-1])])
        group_of = np.searchsorted(self._begins, lines, side="right") - 1
        held = pa.concat_tables(self._groups.values())
        return held, lines - self._begins[group_of] + begins[group_of]


def pick(fresh: pa.Table, old: OldLines | None, source: Places) -> pa.Table:
    """Lines by number: first come those of `fresh`, then those of the old file."""
    is_old = source >= fresh.num_rows
    if old is None or not is_old.any():
        return take(fresh, source)
    new, index_new = _near(fresh, source[~is_old])
    held, index_old = _near(*old.around(source[is_old] - fresh.num_rows))
    index = np.empty(len(source), dtype=np.int64)
    index[~is_old] = index_new
    index[is_old] = index_old + new.num_rows
    return _cut_or_copy(pa.concat_tables([new, held]), index)


def take(table: pa.Table, source: Places) -> pa.Table:
    """Lines by number; nothing in them where it is negative."""
    is_there = source >= 0
    near, within = _near(table, source[is_there])
    index = np.full(len(source), NOWHERE, dtype=np.int64)
    index[is_there] = within
    return _cut_or_copy(near, index)


def _near(table: pa.Table, index: Places) -> tuple[pa.Table, Places]:
    """The stretch of a table in which the lines lie, and where they are in it."""
    if not len(index):
        return table.slice(0, 0), index
    first = int(index.min())
    return table.slice(first, int(index.max()) - first + 1), index - first


def _cut_or_copy(table: pa.Table, index: Places) -> pa.Table:
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    if len(index) and len(breaks) < MOST_RUNS and index.min() >= 0:
        runs = np.split(index, breaks)
        return pa.concat_tables([table.slice(int(run[0]), len(run)) for run in runs])
    return table.combine_chunks().take(pa.array(index, mask=index < 0))
