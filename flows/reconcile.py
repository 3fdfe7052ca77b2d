"""What a deployment points at to settle doubts and bring home what was bought. Buys nothing new."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from omnihuman_blocks import flows
from omnihuman_blocks.catalogue.making import runner


@flow(
    name="omnihuman-reconcile",
    flow_run_name="reconcile {results}",
    task_runner=runner(),
    persist_result=False,
)
def reconcile(
    results: str, *, ledger: str | None = None, patience_seconds: float = 900.0
) -> State[Any]:
    """Heals what can be healed, and ends `InDoubt` where a person has to look."""
    return flows.reconcile.fn(results, ledger or None, patience_seconds)
