"""The hunt for keys finds one wherever it may stand; else it would prove nothing."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.sandbox.settings import VENDORS, Settings


@pytest.fixture
def keys(request: pytest.FixtureRequest) -> Any:
    """The plugin of this very session."""
    return request.config.pluginmanager.get_plugin("hunt for keys")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that the session's own hunt does not look into."""
    with tempfile.TemporaryDirectory(prefix="omnihuman-") as folder:
        yield Path(folder)


def secret(vendor: Any) -> str:
    return Settings().vendor(vendor).key.rpartition(":")[2]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_is_found_in_every_kind_of_file(keys: Any, elsewhere: Path, vendor: str) -> None:
    """Plain, in a database, packed in a table's column or its heading, however deep."""
    key = secret(vendor)
    hunt = keys.pytest_runtest_logreport.__func__.__globals__["hunt"]
    (elsewhere / "a.log").write_text(f"GET https://x/?k={key}")
    with sqlite3.connect(elsewhere / "b.db") as connection:
        connection.execute("CREATE TABLE said (words)")
        connection.execute("INSERT INTO said VALUES (?)", [f"{{'Authorization': 'Key {key}'}}"])
    (elsewhere / "c").mkdir()
    rows = pa.table({"n": [1, 2], "said": [["fine"], [f"Bearer {key}"]]})
    pq.write_table(rows, elsewhere / "c" / "c.parquet", compression="zstd")
    heading = pa.schema([("n", pa.int64())], metadata={"note": key})
    pq.write_table(pa.table({"n": [1]}, schema=heading), elsewhere / "d.parquet")
    (elsewhere / "fine.txt").write_text("sandbox-key, Authorization: <none>")
    found = sorted(hunt(elsewhere))
    assert [Path(line.partition(": ")[0]).name for line in found] == [
        "a.log",
        "b.db",
        "c.parquet",
        "d.parquet",
    ]
    assert not any(key in line for line in found)


def test_any_authorization_is_found(keys: Any, elsewhere: Path) -> None:
    """Also of a key that is not the sandbox's."""
    hunt = keys.pytest_runtest_logreport.__func__.__globals__["hunt"]
    for number, words in enumerate(
        ("authorization: Bearer abcdefghijklmnop", '"Authorization": "Key 0123456789abcdef:xyz"')
    ):
        (elsewhere / f"{number}").write_text(words)
    assert len(list(hunt(elsewhere))) == 2
