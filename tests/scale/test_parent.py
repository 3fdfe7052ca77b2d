"""The parent of the shards' runs, on a real server. What a worker would do is said by the test."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Crashed, Failed, Running

from omnihuman_blocks import flows
from omnihuman_blocks.catalogue.making import NotDone
from omnihuman_blocks.edges.columns import CATALOGUE, FINGERPRINT
from omnihuman_blocks.edges.fingerprints import KIND

pytestmark = pytest.mark.xdist_group("prefect")

TABLES = ("scripts.parquet", "avatars.parquet")
LEDGER = "postgresql://ledger.example/omnihuman"


@flow(name="a-shard", validate_parameters=False)
def a_shard(shard: str = "1/1", **rest: Any) -> None:
    """Is deployed, and never runs."""


@pytest.fixture
def deployment(prefect_server: str) -> UUID:
    with get_client(sync_client=True) as client:
        return client.create_deployment(client.create_flow(a_shard), "shards")


class Worker:
    """Ends every run that is started as it was told to, shard by shard."""

    def __init__(self, deployment: UUID, ends: dict[str, list[State[Any]]]) -> None:
        self.started: list[FlowRun] = []
        self._deployment = deployment
        self._ends = ends
        self._over = Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        with get_client(sync_client=True) as client:
            mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[self._deployment]))
            while not self._over.wait(0.05):
                known = {run.id for run in self.started}
                for run in client.read_flow_runs(flow_run_filter=mine):
                    if run.id not in known:
                        self.started.append(run)
                        client.set_flow_run_state(run.id, Running(), force=True)
                        if ends := self._ends.get(run.parameters["shard"]):
                            client.set_flow_run_state(run.id, ends.pop(0), force=True)


@pytest.fixture
def results(tmp_path: Path) -> str:
    """A catalogue as the last of the shards wrote it."""
    schema = pa.schema([*CATALOGUE, pa.field(FINGERPRINT, KIND)])
    lines = [{"row_id": "a", "state": "done"}, {"row_id": "b", "state": "failed"}]
    pq.write_table(pa.Table.from_pylist(lines, schema=schema), tmp_path / "catalogue.parquet")
    return str(tmp_path)


@pytest.fixture
def command(deployment: UUID, results: str) -> Iterator[Callable[..., State[Any]]]:
    def run(**more: Any) -> State[Any]:
        wanted = {"shards": 3, "ledger": LEDGER, "poll_seconds": 0.05, **more}
        state: State[Any] = flows.generate_in_shards(
            *TABLES, results, "fal", deployment="a-shard/shards", return_state=True, **wanted
        )
        return state

    yield run
    with get_client(sync_client=True) as client:
        client.delete_deployment(deployment)


def test_a_shard_that_dies_is_started_again(
    deployment: UUID, command: Callable[..., State[Any]]
) -> None:
    """All share one budget and divide what may be in flight; the end is that of the catalogue."""
    ends: dict[str, list[State[Any]]] = {
        "1/3": [Completed()],
        "2/3": [Crashed(), Completed()],
        "3/3": [Failed(name="RowsFailed")],
    }
    with Worker(deployment, ends) as worker:
        state = command(budget=12.5, max_in_flight=30)
    assert Counter(run.parameters["shard"] for run in worker.started) == {
        "1/3": 1,
        "2/3": 2,
        "3/3": 1,
    }
    shared = {(run.parameters["budget"], run.parameters["budget_name"]) for run in worker.started}
    assert len(shared) == 1
    assert {run.parameters["max_in_flight"] for run in worker.started} == {10}
    assert state.name == "RowsFailed"
    failure = state.result(raise_on_failure=False)
    assert isinstance(failure, NotDone)
    told = failure.told
    assert (told["rows"]["done"], told["rows"]["failed"], told["deaths"]) == (1, 1, 1)


def test_a_shard_that_dies_again_and_again_is_left(
    deployment: UUID, command: Callable[..., State[Any]]
) -> None:
    """The message says which; the next run goes on from there."""
    ends: dict[str, list[State[Any]]] = {"1/2": [Completed()], "2/2": [Crashed(), Failed()]}
    with Worker(deployment, ends) as worker:
        state = command(shards=2, restarts=1)
    assert len(worker.started) == 3
    assert (state.name, state.message) == ("Stopped", "Shards 2/2 died; run it again.")


def test_whoever_stops_the_parent_stops_the_shards(
    deployment: UUID, command: Callable[..., State[Any]], until: Callable[..., Any]
) -> None:
    with Worker(deployment, {}) as worker:

        def stop() -> None:
            until(lambda: len(worker.started) == 3, "three shards")
            os.kill(os.getpid(), signal.SIGINT)

        stopper = Thread(target=stop)
        stopper.start()
        with pytest.raises(KeyboardInterrupt):
            command()
        stopper.join()
    with get_client(sync_client=True) as client:
        states = {client.read_flow_run(run.id).state_name for run in worker.started}
    assert states == {"Cancelling"}


@pytest.mark.parametrize(
    ("said", "why"), [({"ledger": None}, "PostgreSQL"), ({"shards": 0}, "which of how many")]
)
def test_what_cannot_start_is_told(
    command: Callable[..., State[Any]], said: dict[str, Any], why: str
) -> None:
    state = command(**said)
    assert state.name == "CannotStart"
    assert why in str(state.message)
