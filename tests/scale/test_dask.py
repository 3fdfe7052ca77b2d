"""The same flow on a local Dask cluster: two processes, each with one batch."""

from __future__ import annotations

import logging
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from omnihuman_blocks import flows

prefect_dask: Any = pytest.importorskip("prefect_dask")
ROWS = 10


@pytest.mark.xdist_group("prefect")
@pytest.mark.filterwarnings("ignore")
def test_batches_are_mapped_over_a_cluster(
    shards: SimpleNamespace, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch opens a house of its own, in another process; the ledger is one."""
    shards.lay_tables(ROWS)
    for name, value in shards.sandbox.environment.items():
        monkeypatch.setenv(name, value)
    logging.getLogger("distributed").setLevel(logging.ERROR)
    cluster = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    on_dask = flows.generate_catalogue.with_options(
        task_runner=prefect_dask.DaskTaskRunner(cluster_kwargs=cluster)
    )
    folder = shards.folder
    tables = [str(folder / f"{name}.parquet") for name in ("scripts", "avatars")]
    for bought in (ROWS, 0):
        state = on_dask(*tables, str(shards.results), "runware", batches=2, return_state=True)
        told: Any = state.result()
        assert (told["exit_code"], told["bought"]) == (0, bought)
    rows = pq.read_table(shards.results / "catalogue.parquet")
    assert Counter(rows["state"].to_pylist()) == {"done": ROWS}
    assert shards.sandbox.counts().charged("runware") == ROWS
