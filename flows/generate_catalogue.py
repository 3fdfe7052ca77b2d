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
    prices: dict[str, float] | None = None,
    options: dict[str, str] | None = None,
    checks: dict[str, str] | None = None,
    max_in_flight: int | None = None,
    strict: bool = False,
    no_split: bool = False,
    soft_captions: bool = False,
    ledger: str | None = None,
    webhook_url: str | None = None,
    speech: str | None = None,
    voices: str | None = None,
    lexicon: str | None = None,
    media_store: str | None = None,
    media_store_public: str | None = None,
    shard: str = "1/1",
    budget_name: str | None = None,
) -> State[Any]:
    """Makes every video of two tables that is not there yet. Run it again to go on.

    An empty text is a wish that was not made: so arrives what `settings.env` leaves empty.
    """
    asked = {name: value for name, value in locals().items() if value != ""}
    return flows.generate_catalogue.fn(**asked)
