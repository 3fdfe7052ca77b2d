"""The catalogue as a Delta table: one commit for what has changed, none for what has not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.cli import main
from omnihuman_blocks.edges.columns import CATALOGUE
from omnihuman_blocks.edges.delta import Committed, commit_changes
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.results_folder import ResultsFolder

deltalake: Any = pytest.importorskip("deltalake")


def line(number: int, **more: Any) -> dict[str, Any]:
    part = {
        "job_key": f"{number:064}",
        "attempt": 1,
        "ticket": "t",
        "cost_usd": Decimal("1.6"),
        "state": "done",
    }
    return {
        "row_id": f"row-{number}",
        "script_id": f"s{number}",
        "locale": "de-DE",
        "state": "done",
        "parts": [part],
        "cost_usd": Decimal("1.600000"),
        "ignored": ["prompt"],
        "submitted_at": datetime(2026, 9, 1, tzinfo=UTC),
        "campaign": "spring",
        **more,
    }


def write(folder: Path, lines: list[dict[str, Any]], **carried: pa.DataType) -> None:
    schema = pa.schema([*CATALOGUE, *({"campaign": pa.large_string()} | carried).items()])
    table = pa.Table.from_pylist(lines, schema=schema)
    pq.write_table(table, folder / "catalogue.parquet")


def read(url: str) -> dict[str, dict[str, Any]]:
    rows = pa.table(deltalake.DeltaTable(url).to_pyarrow_table()).to_pylist()
    found = {row["row_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_only_what_has_changed_is_committed(tmp_path: Path) -> None:
    """Changed, new and gone lines are one version; a line in which nothing changed is left."""
    folder, url = ResultsFolder.at(tmp_path), str(tmp_path / "delta")
    lines = [line(number) for number in range(50)]
    write(tmp_path, lines)
    assert commit_changes(folder, url) == Committed(version=0, written=50, removed=0, lines=50)
    assert commit_changes(folder, url) == Committed(version=0, written=0, removed=0, lines=50)

    lines[7] = line(7, state="failed", cost_usd=None)
    lines[8]["parts"][0]["attempt"] = 2  # deep within a line
    write(tmp_path, [*lines[:40], line(100)])
    assert commit_changes(folder, url) == Committed(version=1, written=3, removed=10, lines=41)
    found = read(url)
    assert set(found) == {f"row-{number}" for number in (*range(40), 100)}
    assert (found["row-7"]["state"], found["row-7"]["cost_usd"]) == ("failed", None)
    assert found["row-8"]["parts"][0]["attempt"] == 2
    assert found["row-9"]["cost_usd"] == Decimal("1.6")
    assert deltalake.DeltaTable(url).history(1)[0]["operation"] == "MERGE"


def test_a_new_column_of_the_tables_joins(tmp_path: Path) -> None:
    folder, url = ResultsFolder.at(tmp_path), str(tmp_path / "delta")
    write(tmp_path, [line(1), line(2)])
    commit_changes(folder, url)
    write(tmp_path, [line(1, priority=5), line(2, priority=None)], priority=pa.int64())
    commit_changes(folder, url)
    assert {row["row_id"]: row["priority"] for row in read(url).values()} == {
        "row-1": 5,
        "row-2": None,
    }


def test_the_command_waits_for_its_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two committers would read the catalogue at different times and write in another order."""
    url = str(tmp_path / "delta")
    write(tmp_path, [line(1)])
    words = ["export", str(tmp_path), "--delta", url, "--ledger", str(tmp_path / "ledger.db")]
    codes: list[int] = []
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        with ledger.turn(f"delta {url}"):
            thread = Thread(target=lambda: codes.append(main(words)))
            thread.start()
            thread.join(0.3)  # nothing but its turn can hold it
            assert not (tmp_path / "delta").exists()
        thread.join(30)
    assert codes == [0]
    assert "1 lines written, 0 removed, of 1." in capsys.readouterr().out


def test_a_folder_without_a_catalogue_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger.open(tmp_path / "ledger.db"):
        pass
    assert main(["export", str(tmp_path), "--delta", str(tmp_path / "delta")]) == 2
    assert "Run `generate` first" in capsys.readouterr().err
