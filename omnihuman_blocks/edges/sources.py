"""An address or a DataFrame in, an Arrow table out, with its line numbers. Decides nothing.

Parquet (a file, a folder, Hive partitions) and CSV, local or wherever fsspec reaches. Read column
by column; no cell becomes a Python object here unless a DataFrame brings it as one.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

import fsspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs

from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.edges import csv_source
from omnihuman_blocks.errors import CannotStart

Given: TypeAlias = "str | os.PathLike[str] | pd.DataFrame | pa.Table"
"""How a table is handed over."""
Numbers: TypeAlias = npt.NDArray[np.int64]
SHOWN_NAMES = 30


@dataclass(frozen=True, kw_only=True)
class Source:
    """One table as it was read."""

    name: str
    address: str | None
    """None for a DataFrame."""
    folder: str
    """What relative addresses in it are relative to."""
    table: pa.Table
    numbers: Numbers
    """The line of each row, counted from 1 without the header."""
    broken: tuple[csv_source.BrokenLine, ...] = ()

    @property
    def title(self) -> str:
        """The table, for messages."""
        return title(self.name, self.address)


def title(name: str, address: str | None) -> str:
    """The table, for messages; never with a key in its address."""
    return f"Table {name} ({'DataFrame' if address is None else without_credentials(address)})"


def read_source(name: str, given: Given, *, folder: str | None = None) -> Source:
    """The table, whatever it comes as; `CannotStart` where it cannot be read at all."""
    if isinstance(given, pd.DataFrame):
        given = _from_pandas(name, given)
    if isinstance(given, pa.Table):
        return _source(name, None, folder or str(Path.cwd()), given)
    address = os.fspath(given)
    try:
        return _read_address(name, address, folder)
    except FileNotFoundError as error:
        raise CannotStart(
            f"{title(name, address)}: there is no such file or folder. Check the address."
        ) from error
    except (OSError, pa.ArrowException, ImportError, ValueError) as error:
        said = _first_line(error).replace(address, without_credentials(address))
        raise CannotStart(
            f"{title(name, address)} cannot be read: {said} "
            "It must be Parquet, a folder of Parquet files, or CSV in UTF-8."
        ) from error


def _read_address(name: str, address: str, folder: str | None) -> Source:
    files, path, root = open_filesystem(address)
    info = files.get_file_info(path)
    if info.type == pyarrow.fs.FileType.NotFound:
        raise FileNotFoundError(address)
    is_folder = info.type == pyarrow.fs.FileType.Directory
    found = _list(files, path) if is_folder else [path]
    if not found:
        raise CannotStart(f"{title(name, address)}: the folder holds no table. Check the address.")
    base = folder or (root if is_folder else posixpath.dirname(root) or "/")
    if all(csv_source.is_csv(file) for file in found):
        read = [csv_source.read_csv(title(name, address), files, file) for file in found]
        table, numbers, broken = csv_source.stack(read)
        return _source(name, address, base, table, numbers=numbers, broken=broken)
    table = _read_parquet(name, address, files, found, path if is_folder else None)
    return _source(name, address, base, table)


def open_filesystem(address: str) -> tuple[Any, str, str]:
    """Where an address leads: a file system, the path in it, and the path as an address."""
    if "://" not in address:
        path = str(Path(address).absolute())
        return pyarrow.fs.LocalFileSystem(), path, path
    files, path = fsspec.core.url_to_fs(address)
    if "file" in (files.protocol if isinstance(files.protocol, tuple) else (files.protocol,)):
        return pyarrow.fs.LocalFileSystem(), path, path
    handler = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(files))
    return handler, path, files.unstrip_protocol(path)


def _list(files: Any, folder: str) -> list[str]:
    """Files in the order of their names; what begins with `_` or `.` is no data."""
    selector = pyarrow.fs.FileSelector(folder, recursive=True)
    paths = [info.path for info in files.get_file_info(selector) if info.is_file]
    return sorted(path for path in paths if not _is_hidden(path[len(folder) :]))


def _is_hidden(path: str) -> bool:
    return any(step.startswith(("_", ".")) for step in path.split("/") if step)


def _read_parquet(
    name: str, address: str, files: Any, paths: Sequence[str], root: str | None
) -> pa.Table:
    options = {"format": "parquet", "filesystem": files, "partition_base_dir": root}
    first = pyarrow.dataset.dataset(list(paths), partitioning="hive", **options)
    names = first.partitioning.schema.names if root is not None else []
    # Partition values are texts in the names of folders: guessing would make 7 of 007.
    hive = pa.schema([(column, pa.large_string()) for column in names])
    partitioning = pyarrow.dataset.partitioning(hive, flavor="hive")
    schemas = [hive]
    for fragment in first.get_fragments():
        try:
            schemas.append(fragment.physical_schema.remove_metadata())
            schema = pa.unify_schemas(schemas, promote_options="permissive")
        except (pa.ArrowException, OSError) as error:
            raise CannotStart(
                f"{title(name, address)}: the file {fragment.path} does not fit: "
                f"{_first_line(error)} Remove it, or write it with the columns of the others."
            ) from error
        schemas = [schema]
    whole = pyarrow.dataset.dataset(
        list(paths), schema=schemas[0], partitioning=partitioning, **options
    )
    return whole.to_table()


# --- DataFrames -------------------------------------------------------------------------------


def _from_pandas(name: str, frame: pd.DataFrame) -> pa.Table:
    names = [str(column) for column in frame.columns]
    columns = []
    for position, column in enumerate(names):
        series = frame.iloc[:, position]
        try:
            columns.append(pa.array(series, from_pandas=True))
        except (pa.ArrowException, UnicodeError, TypeError, ValueError):
            columns.append(_cell_by_cell(name, column, series))
    return pa.table(columns, names=names)


def _cell_by_cell(name: str, column: str, series: pd.Series[Any]) -> pa.Array:
    """Mixed cells as texts; a cell that is no text and no number makes its column unusable."""
    try:
        return pa.array([_text(cell) for cell in series], pa.large_string())
    except (TypeError, UnicodeError) as error:
        raise CannotStart(
            f"{title(name, None)}: column `{column}` holds values of kinds that do not go "
            f"together: {_first_line(error)} Convert them to one type."
        ) from error


def _text(cell: object) -> str | None:
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return None
    if isinstance(cell, (str, bool, np.bool_, Integral)):
        return str(cell)
    if isinstance(cell, (Real, Decimal)):
        return None if cell != cell else _number(cell)  # noqa: PLR0124 - NaN
    raise TypeError(f"{type(cell).__name__} is no text.")


def _number(value: Real | Decimal) -> str:
    exact = Decimal(str(value))
    is_whole = exact.is_finite() and exact == exact.to_integral_value()
    return str(int(exact)) if is_whole else str(exact)


def _source(
    name: str,
    address: str | None,
    folder: str,
    table: pa.Table,
    *,
    numbers: Numbers | None = None,
    broken: tuple[csv_source.BrokenLine, ...] = (),
) -> Source:
    columns = [column.strip() or f"column_{i}" for i, column in enumerate(table.column_names, 1)]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise CannotStart(
            f"{title(name, address)} has more than one column `{twice[0]}`. Rename one of them."
        )
    if table.num_rows == 0 and not broken:
        raise CannotStart(f"{title(name, address)} has no rows. Check the address.")
    fields = [field.with_name(column) for field, column in zip(table.schema, columns, strict=True)]
    return Source(
        name=name,
        address=address,
        folder=folder,
        table=pa.Table.from_arrays(table.columns, schema=pa.schema(fields)),
        numbers=np.arange(1, table.num_rows + 1) if numbers is None else numbers,
        broken=broken,
    )


def _first_line(error: Exception) -> str:
    line = (str(error) or type(error).__name__).splitlines()[0].strip()
    return line if line.endswith((".", "!", "?")) else line + "."
