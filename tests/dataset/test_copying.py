"""Lines are copied by number as they were, however they lie in the old file."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihuman_blocks.edges import copying
from omnihuman_blocks.edges.copying import OldLines, pick, take


def lines(numbers: range) -> pa.Table:
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "words": [[str(number)] * (number % 3) for number in numbers],
        }
    )


def old_file(count: int, group: int) -> OldLines:
    file = BytesIO()
    pq.write_table(lines(range(count)), file, row_group_size=group)
    return OldLines(pq.ParquetFile(file), ["number", "words"])


@settings(deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, 29), max_size=40), max_size=4),
    group=st.integers(1, 12),
    runs=st.sampled_from([0, 2, 256]),
)
def test_lines_of_both_tables_come_in_the_order_that_was_asked_for(
    batches: list[list[int]], group: int, runs: int
) -> None:
    """Cut out or copied, from few row groups or from all of them, batch after batch."""
    fresh, old = lines(range(100, 110)), old_file(20, group)
    wanted = [*range(100, 110), *range(20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "MOST_RUNS", runs)
        for batch in batches:
            found = pick(fresh, old, np.array(batch, dtype=np.int64))
            assert found["number"].to_pylist() == [wanted[number] for number in batch]
            assert found["words"].to_pylist() == [
                [str(wanted[number])] * (wanted[number] % 3) for number in batch
            ]


@settings(deadline=None)
@given(st.lists(st.integers(-1, 9), max_size=30))
def test_a_line_that_is_not_there_is_empty(index: list[int]) -> None:
    """A rejected script has no avatar whose columns it could carry."""
    found = take(lines(range(10)), np.array(index, dtype=np.int64))
    assert found["number"].to_pylist() == [None if number < 0 else number for number in index]


def test_only_the_row_groups_that_are_needed_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A million lines are copied without holding a million lines."""
    read: list[int] = []
    plain: Callable[..., pa.Table] = pq.ParquetFile.read_row_group

    def counted(file: pq.ParquetFile, group: int, columns: list[str]) -> pa.Table:
        read.append(group)
        return plain(file, group, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    old = old_file(100, 10)
    for start in range(0, 100, 20):
        held, _ = old.around(np.arange(start, start + 20))
        assert held.num_rows == 20
    assert read == list(range(10))
