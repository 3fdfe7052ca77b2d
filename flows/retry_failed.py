"""What a deployment points at to buy failed rows of a results folder once more."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from omnihuman_blocks import flows
from omnihuman_blocks.catalogue.making import runner


@flow(
    name="omnihuman-retry-failed",
    flow_run_name="retry {results}",
    task_runner=runner(),
    persist_result=False,
)
def retry(
    results: str,
    *,
    only: list[str] | None = None,
    budget: float | None = None,
    max_in_flight: int | None = None,
    ledger: str | None = None,
    is_scheduled: bool = True,
) -> State[Any]:
    """Buys failed rows again, as new attempts: those that cost nothing, and classes you name."""
    bounds = (only, budget, max_in_flight, ledger or None)
    return flows.retry_failed.fn(results, *bounds, is_scheduled=is_scheduled)
