"""One CSV file in, an Arrow table out. Every cell stays the text that it is.

CSV has no types, and guessing them would make 7 of the id `007` and nothing of the country `NA`.
A line with the wrong number of cells is set aside and never stops the others.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from omnihuman_blocks.errors import CannotStart

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
SEPARATORS = (",", ";", "\t", "|")
HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True)
class BrokenLine:
    """A line with more or fewer cells than the header."""

    number: int
    expected: int
    found: int


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """One file: its rows, and the lines that are none."""

    table: pa.Table
    broken: tuple[BrokenLine, ...]


def is_csv(path: str) -> bool:
    """Whether a file's name says that it is CSV."""
    return path.lower().endswith(ENDINGS)


def read_csv(title: str, files: Any, path: str) -> CsvTable:
    """The file's rows as texts; an empty cell is null."""
    with files.open_input_stream(path) as stream:
        head = stream.read(HEAD_BYTES)
    encoding = _encoding(head)
    try:
        names, separator = _header(head.decode(encoding, errors="ignore"))
    except StopIteration:
        raise CannotStart(f"{title}: the file {path} is empty. Check the address.") from None
    broken: list[BrokenLine] = []
    try:
        with files.open_input_stream(path) as stream:
            table = _parse(stream, names, separator, encoding, broken)
    except pa.ArrowInvalid as error:
        raise CannotStart(_why_unreadable(title, files, path, encoding, error)) from error
    return CsvTable(table=table, broken=tuple(broken))


def stack(
    read: Sequence[CsvTable],
) -> tuple[pa.Table, npt.NDArray[np.int64], tuple[BrokenLine, ...]]:
    """Several files as one table whose lines are counted on."""
    numbers, broken, before = [], [], 0
    for one in read:
        lines = one.table.num_rows + len(one.broken)
        aside = [line.number for line in one.broken]
        numbers.append(np.setdiff1d(np.arange(1, lines + 1), aside) + before)
        broken += [
            BrokenLine(number=line.number + before, expected=line.expected, found=line.found)
            for line in one.broken
        ]
        before += lines
    tables = [one.table for one in read]
    table = pa.concat_tables(tables, promote_options="permissive") if len(read) > 1 else tables[0]
    return table, np.concatenate(numbers).astype(np.int64), tuple(broken)


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"


def _header(head: str) -> tuple[list[str], str]:
    """The names, and the separator that yields most of them."""
    headers = [
        (next(csv.reader(io.StringIO(head), delimiter=separator)), separator)
        for separator in SEPARATORS
    ]
    return max(headers, key=lambda header: len(header[0]))


def _parse(
    stream: Any, names: list[str], separator: str, encoding: str, broken: list[BrokenLine]
) -> pa.Table:
    def set_aside(line: Any) -> str:
        # Counted by the parser with the header as 1, so that data begin at 2.
        broken.append(
            BrokenLine(
                number=line.number - 1, expected=line.expected_columns, found=line.actual_columns
            )
        )
        return "skip"

    return pyarrow.csv.read_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False,  # only then are broken lines numbered
            block_size=BLOCK_BYTES,
            encoding="utf-8" if encoding == "utf-8-sig" else encoding,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=separator, newlines_in_values=True, invalid_row_handler=set_aside
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _why_unreadable(title: str, files: Any, path: str, encoding: str, error: Exception) -> str:
    """The line whose bytes are no text, where that is the reason."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with files.open_input_stream(path) as stream:
        while chunk := stream.read(BLOCK_BYTES):
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as bad:
                line += chunk[: bad.start].count(b"\n")
                return (
                    f"{title}: line {line} of {path} is not UTF-8. Save the file as CSV UTF-8, "
                    "or as Parquet."
                )
    return f"{title}: {path} cannot be understood as CSV: {str(error).splitlines()[0]}."
