"""A catalogue in shards, as runs of a deployment: started, watched, and started again if they die.

Nothing is decided here about money: each run asks the one ledger that all of them share. A run
that was called dead by mistake and goes on buys nothing twice either.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.runtime import flow_run
from prefect.states import Cancelling, Completed, Failed

from omnihuman_blocks.catalogue.making import SENTENCES, STATE_NAMES, NotDone, Told
from omnihuman_blocks.domain.sharding import Shard
from omnihuman_blocks.domain.summary import EXIT_DONE, EXIT_STOPPED, count_rows, exit_code
from omnihuman_blocks.edges.recall import tally_catalogue
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import CannotStart

ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED)
OWN_ENDS = {"Completed", "Cancelled", "CannotStart", *STATE_NAMES.values()}
"""How a run ends that came to its end; any other end is a death."""
SERVERS = ("postgresql", "postgres")


@dataclass(kw_only=True)
class Fleet:
    """The runs of all shards."""

    deployment: str
    parameters: Mapping[str, Any]
    shards: int
    restarts: int
    poll_seconds: float
    runs: dict[Shard, UUID] = field(default_factory=dict)
    """Those that are under way."""
    ends: dict[Shard, str] = field(default_factory=dict)
    deaths: dict[Shard, int] = field(default_factory=dict)

    def sail(self) -> None:
        """Starts all, and comes back when all have ended. Whoever stops this stops them."""
        with get_client(sync_client=True) as client:
            try:
                for number in range(1, self.shards + 1):
                    self._start(Shard(number, self.shards))
                while self.runs:
                    time.sleep(self.poll_seconds)
                    for shard, run_id in list(self.runs.items()):
                        self._look(shard, client.read_flow_run(run_id))
            finally:
                for run_id in self.runs.values():
                    client.set_flow_run_state(run_id, Cancelling())

    def _start(self, shard: Shard) -> None:
        run: Any = run_deployment(
            self.deployment,
            parameters={**self.parameters, "shard": str(shard)},
            flow_run_name=f"shard {shard} of {self.parameters['results']}",
            timeout=0,
        )
        self.runs[shard] = run.id

    def _look(self, shard: Shard, run: FlowRun) -> None:
        state = run.state
        if state is None or state.type not in ENDED:
            return
        del self.runs[shard]
        name = str(state.name)
        self.ends[shard] = name
        if name in OWN_ENDS:
            get_run_logger().info("Shard %s has ended: %s", shard, name)
            return
        self.deaths[shard] = self.deaths.get(shard, 0) + 1
        again = self.deaths[shard] <= self.restarts
        words = "it is started again" if again else "it is left"
        get_run_logger().warning("Shard %s has died (%s): %s", shard, name, words)
        if again:
            self._start(shard)


def make_in_shards(
    deployment: str,
    parameters: Mapping[str, Any],
    *,
    shards: int,
    restarts: int,
    poll_seconds: float,
) -> State[Told]:
    """Runs all shards; ends as the whole catalogue does."""
    _check(parameters, shards)
    budget_name = str(flow_run.id)
    each = {**parameters, "max_in_flight": _share(parameters.get("max_in_flight"), shards)}
    fleet = Fleet(
        deployment=deployment,
        parameters={**each, "budget_name": budget_name},
        shards=shards,
        restarts=restarts,
        poll_seconds=poll_seconds,
    )
    fleet.sail()
    if "CannotStart" in fleet.ends.values():
        raise CannotStart("A shard could not start; the log of its run says what to mend.")
    return _final_state(fleet)


def _check(parameters: Mapping[str, Any], shards: int) -> None:
    Shard.parse(f"1/{shards}")
    ledger = str(parameters.get("ledger") or "")
    if ledger.partition(":")[0].partition("+")[0].lower() not in SERVERS:
        raise CannotStart(
            "Shards may run on several machines, so they need a ledger that all of them reach: "
            "name a PostgreSQL database with `ledger`."
        )


def _share(in_flight: int | None, shards: int) -> int | None:
    """What is said for all together is divided among them."""
    return None if in_flight is None else max(1, in_flight // shards)


def _final_state(fleet: Fleet) -> State[Told]:
    results = str(fleet.parameters["results"])
    rows = count_rows(tally_catalogue(ResultsFolder.at(results)))
    left = [str(shard) for shard, name in fleet.ends.items() if name not in OWN_ENDS]
    # Where the last one died, the catalogue is as the last of those before it wrote it.
    code = EXIT_STOPPED if left else exit_code(rows)
    told: Told = {
        "rows": {state.value: count for state, count in rows.items()},
        "shards": {str(shard): name for shard, name in fleet.ends.items()},
        "deaths": sum(fleet.deaths.values()),
        "results": results,
        "exit_code": code,
    }
    if code == EXIT_DONE:
        return Completed(message="Every row is done.", data=told)
    message = f"Shards {', '.join(left)} died; run it again." if left else SENTENCES[code]
    return Failed(name=STATE_NAMES[code], message=message, data=NotDone(message, told))
