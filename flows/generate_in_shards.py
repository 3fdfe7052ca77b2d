"""What a deployment points at to make one catalogue by several runs, on as many machines.

It starts runs of the deployment of flows/generate_catalogue.py, one for each shard, and waits.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from omnihuman_blocks import flows


@flow(
    name="omnihuman-generate-in-shards",
    flow_run_name="{shards} shards of {results}",
    persist_result=False,
)
def generate(
    scripts: str,
    avatars: str,
    results: str,
    provider: str,
    *,
    shards: int = 4,
    ledger: str | None = None,
    budget: float | None = None,
    options: dict[str, str] | None = None,
    max_in_flight: int | None = None,
    deployment: str = "omnihuman-generate-catalogue/generate-catalogue",
) -> State[Any]:
    """Makes every video of two tables that is not there yet, by several runs at once."""
    order = (scripts, avatars, results, provider)
    bounds = {"ledger": ledger, "budget": budget, "max_in_flight": max_in_flight}
    made = flows.generate_in_shards.fn
    return made(*order, shards=shards, options=options, deployment=deployment, **bounds)
