"""What Prefect is told of a catalogue: artifacts, tags, events, and where its data come from.

Nothing is decided by it, and nothing that fails here stops the buying or hides what was bought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.assets import Asset, AssetProperties, add_asset_metadata, materialize
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from pydantic import ValidationError

from omnihuman_blocks.catalogue.concluding import Conclusion
from omnihuman_blocks.catalogue.events import address_of
from omnihuman_blocks.domain.summary import markdown
from omnihuman_blocks.edges.ledger import Doubt
from omnihuman_blocks.edges.recall import CATALOGUE_FILE
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.walk.order import Order
from omnihuman_blocks.walk.progress import Glance

TAG = "omnihuman"


def told_in_vain(tell: Callable[[], object]) -> None:
    """Tells, or says in the log that nobody listened."""
    try:
        tell()
    except Exception as error:  # noqa: BLE001 - a server that is away must not cost a video
        get_run_logger().warning("Prefect could not be told: %r", error)


@dataclass
class Bar:
    """Progress, made once and moved afterwards."""

    artifact: UUID | None = None

    def tell(self, glance: Glance) -> None:
        """Moves the bar to where things stand."""
        share = 100 * glance.ended / max(glance.total, 1)
        if self.artifact is not None:
            update_progress_artifact(self.artifact, share, description=glance.line)
            return
        made = create_progress_artifact(share, key="omnihuman-progress", description=glance.line)
        self.artifact = cast("UUID", made)


def tell_tags(vendors: Sequence[str]) -> None:
    """By which a run is found: ours, and one for each vendor that it may buy from."""
    if flow_run.id is None:
        return
    tags = {*flow_run.tags, TAG, *vendors}
    with get_client(sync_client=True) as client:
        client.update_flow_run(UUID(flow_run.id), tags=sorted(tags))


def tell_end(conclusion: Conclusion, order: Order, *, walked: bool) -> None:
    """Summary, rows that are not done, the page to watch; the lineage where something was made."""
    create_markdown_artifact(
        markdown(conclusion.summary), key="omnihuman-summary", description=order.results
    )
    if conclusion.failures:
        create_table_artifact(
            [_texts(row) for row in conclusion.failures],
            key="omnihuman-not-done",
            description="Rows that are not done",
        )
    gallery = Path(order.results.removeprefix("file://")) / "index.html"
    if gallery.is_file():
        create_link_artifact(gallery.absolute().as_uri(), "Gallery", key="omnihuman-gallery")
    if walked:
        _tell_lineage(conclusion, order)


def tell_doubts(doubts: Sequence[Doubt]) -> None:
    """What only a person can settle, with what to look for."""
    if not doubts:
        return
    create_table_artifact(
        [
            {
                "job": doubt.key[:12],
                "vendor": doubt.provider,
                "sent (UTC)": f"{doubt.intended_at:%Y-%m-%d %H:%M:%S}",
                "what to do": PROVIDERS[doubt.provider].LOST_ANSWER.remedy,
            }
            for doubt in doubts
        ],
        key="omnihuman-in-doubt",
        description="Purchases whose answers were lost: omnihuman reconcile settles them",
    )


def _texts(row: Mapping[str, object]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in row.items()}


def _tell_lineage(conclusion: Conclusion, order: Order) -> None:
    """The catalogue as an asset that is made from the two tables."""
    catalogue = _asset(
        f"{address_of(order.results)}/{CATALOGUE_FILE}",
        name=CATALOGUE_FILE,
        description="One line for each planned row: state, video, length, cost.",
    )
    tables = [
        _asset(address_of(given), name=given.rpartition("/")[2])
        for given in (order.scripts, order.avatars)
        if isinstance(given, str)
    ]
    if catalogue is None:
        return

    @materialize(
        catalogue,
        by="prefect-omnihuman",
        asset_deps=[table for table in tables if table is not None],
        name="catalogue",
        task_run_name=CATALOGUE_FILE,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def describe(facts: dict[str, Any]) -> None:
        add_asset_metadata(catalogue, facts)

    told = conclusion.told()
    describe({name: told[name] for name in ("rows", "bought", "charged_usd", "results")})


def _asset(key: str, *, name: str, description: str | None = None) -> Asset | None:
    """None where Prefect takes no such address: a name with a blank or a quotation mark in it."""
    properties = AssetProperties(name=name, description=description)
    try:
        return Asset(key=key, properties=properties)
    except ValidationError:
        return None
