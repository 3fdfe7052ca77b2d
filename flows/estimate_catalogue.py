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
    prices: dict[str, float] | None = None,
    options: dict[str, str] | None = None,
    ledger: str | None = None,
    speech: str | None = None,
    voices: str | None = None,
    lexicon: str | None = None,
    media_store: str | None = None,
) -> dict[str, Any]:
    """What generating would buy and cost, row by row in the results folder's plan."""
    asked = {name: value for name, value in locals().items() if value != ""}
    return flows.estimate_catalogue.fn(**asked)
