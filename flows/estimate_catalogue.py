"""What a deployment points at to see what a catalogue would cost. Spends nothing."""

from __future__ import annotations

from typing import Any

from prefect import flow

from omnihuman_blocks import flows


@flow(
    name="omnihuman-estimate-catalogue",
    flow_run_name="estimate {results}",
    persist_result=False,
)
def estimate(
    scripts: str,
    avatars: str,
    results: str,
    provider: str,
    *,
    options: dict[str, str] | None = None,
    ledger: str | None = None,
) -> dict[str, Any]:
    """What generating would buy and cost, row by row in the results folder's plan."""
    return flows.estimate_catalogue.fn(
        scripts, avatars, results, provider, options=options, ledger=ledger or None
    )
