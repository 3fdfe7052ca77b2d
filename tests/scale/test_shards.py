"""One catalogue by three processes on one PostgreSQL ledger, one of which is killed on the way."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

ROWS = 90
AT_ONCE = 10


def told(folder: Path, name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / f"{name}.out").read_text())
    return said


@pytest.mark.xdist_group("commands")
def test_a_killed_shard_costs_nothing_and_the_last_one_writes(
    shards: SimpleNamespace, database: str, prefect_server: str, until: Callable[..., Any]
) -> None:
    """Every row is bought once, and done when the killed shard was run again."""
    folder, sandbox = shards.folder, shards.sandbox
    shards.lay_tables(ROWS)

    def start(shard: int, name: str) -> Any:
        return shards.start(
            *("generate", "scripts.parquet", "avatars.parquet", "--results", "out", "--json"),
            *("--provider", "runware", "--ledger", database, "--shard", f"{shard}/3"),
            *("--max-in-flight", str(AT_ONCE)),
            name=name,
            PREFECT_API_URL=prefect_server,
        )

    def bought() -> int:
        return int(sandbox.counts().accepted())

    # Nothing is made yet, so nobody has bought more than it may have out, and dies in the middle.
    sandbox.settings.change({"runware": {"slots": 0}})
    running = [start(number, f"shard{number}") for number in (1, 2, 3)]
    until(lambda: bought() == 3 * AT_ONCE, "as many were bought as may be out")
    os.kill(running[1].pid, signal.SIGKILL)
    sandbox.settings.change({"runware": {"slots": 100}})
    ends = {}
    for number, process in ((1, running[0]), (3, running[2])):
        process.join(120)
        ends[number] = (process.exitcode, told(folder, f"shard{number}"))
    assert 3 * AT_ONCE < bought() < ROWS
    (last,) = (said for code, said in ends.values() if code in (3, 4))  # 4: cut off while buying
    (other,) = (said for code, said in ends.values() if code == 0)
    states = Counter(pq.read_table(folder / "out/catalogue.parquet")["state"].to_pylist())
    assert states["done"] == last["rows"]["done"] < ROWS  # the last of the living wrote for all
    assert sum(other["rows"].values()) == ROWS  # and the other told of all, too

    again = start(2, "again")
    again.join(120)
    assert again.exitcode == 0, (folder / "again.err").read_text()
    rows = pq.read_table(folder / "out/catalogue.parquet").to_pylist()
    assert Counter(row["state"] for row in rows) == {"done": ROWS}
    counts = sandbox.counts().vendors["runware"]
    assert (counts.accepted, counts.charged) == (ROWS, ROWS)
    assert len({row["clip_key"] for row in rows}) == ROWS
    walked = sum(told(folder, name)["bought"] for name in ("shard1", "shard3", "again"))
    assert walked < ROWS  # the rest was bought by the one that was killed, and waited for
    history = [pq.read_table(file) for file in (folder / "out/history").iterdir()]
    seen = Counter(row for table in history for row in table["row_id"].to_pylist())
    assert set(seen.values()) == {1}  # no row was looked at by two shards
