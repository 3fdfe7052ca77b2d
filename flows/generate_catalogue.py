"""What a deployment points at to make a catalogue: two tables in, videos and a dataset out.

A copy of the library's flow would be deployed under the library's entry point, without its options.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from omnihuman_blocks import flows
from omnihuman_blocks.catalogue.making import runner


@flow(
    name="omnihuman-generate-catalogue",
    flow_run_name="catalogue {results}",
    task_runner=runner(),
    persist_result=False,
)
def generate(
    scripts: str,
    avatars: str,
    results: str,
    provider: str,
    *,
    budget: float | None = None,
    options: dict[str, str] | None = None,
    max_in_flight: int | None = None,
    ledger: str | None = None,
    shard: str = "1/1",
    budget_name: str | None = None,
) -> State[Any]:
    """Makes every video of two tables that is not there yet. Run it again to go on."""
    order = (scripts, avatars, results, provider)
    bounds = {"budget": budget, "budget_name": budget_name, "max_in_flight": max_in_flight}
    made = flows.generate_catalogue.fn
    return made(*order, options=options, ledger=ledger or None, shard=shard, **bounds)
