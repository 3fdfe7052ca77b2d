"""A recording that no vendor takes whole is made by all four, each in the parts that it takes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.catalogue.concluding import Conclusion, conclude, join, write_beginning
from omnihuman_blocks.catalogue.preparing import Prepared, open_ledger, prepare
from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Vendor
from omnihuman_blocks.walk.opening import Setting, open_house
from omnihuman_blocks.walk.order import Order, open_shop
from omnihuman_blocks.walk.walker import Ending, walk

pytestmark = pytest.mark.xdist_group("media store")

Bucket = Any
SECONDS = 31.0


def make(order: Order) -> Conclusion:
    """Plans, walks, joins and concludes as the flow does, without Prefect."""
    began_at = datetime.now(UTC)
    shop = open_shop(order, os.environ, with_keys=True)
    with open_ledger(order) as ledger:
        prepared = prepare(order, shop, ledger, buying=True)
    write_beginning(prepared)
    endings = asyncio.run(_walk(prepared, Setting.of(order, "test")))
    with open_ledger(order) as ledger:
        unjoined = join(prepared, ledger).failed
        return conclude(prepared, endings, ledger, began_at=began_at, unjoined=unjoined)


async def _walk(prepared: Prepared, setting: Setting) -> Sequence[Ending]:
    async with open_house(setting, load_block=lambda _: None) as house:
        return await asyncio.gather(*(walk(house, errand) for errand in prepared.errands()))


@pytest.fixture
def order(
    bucket: Bucket, voice: Callable[..., bytes], portrait: Callable[..., bytes], tmp_path: Path
) -> Order:
    """For one row, of local files."""
    (tmp_path / "long.flac").write_bytes(voice(1, "flac", "flac", SECONDS))
    (tmp_path / "face.png").write_bytes(portrait(1, "png"))
    pd.DataFrame({"script_id": ["a"], "locale": ["en"], "audio_uri": ["long.flac"]}).to_parquet(
        tmp_path / "scripts.parquet"
    )
    pd.DataFrame({"avatar_id": ["mira"], "image_uri": ["face.png"]}).to_parquet(
        tmp_path / "avatars.parquet"
    )
    return Order(
        scripts=str(tmp_path / "scripts.parquet"),
        avatars=str(tmp_path / "avatars.parquet"),
        results=str(tmp_path / "out"),
        provider="runware",
        media_store=bucket.url,
    )


@pytest.mark.parametrize("vendor", ["runware", "fal", "pixazo", "aimlapi"])
def test_a_long_recording_is_bought_in_parts(
    sandbox: Sandbox, order: Order, tmp_path: Path, vendor: Vendor
) -> None:
    """Pixazo states no limit: its advice counts, and its parts go to the bucket."""
    made = make(replace(order, provider=vendor))
    (row,) = pq.read_table(tmp_path / "out" / "catalogue.parquet").to_pylist()
    assert (made.exit_code, row["state"]) == (0, "done"), made.reasons
    assert len(row["parts"]) == sandbox.counts().charged(vendor) == 2
    assert max(part["seconds"] for part in row["parts"]) <= 29.5
    facts = clip_facts(tmp_path / "out" / row["video_uri"], (tmp_path / "long.flac").read_bytes())
    assert facts.broken is None
    assert facts.black_seconds == 0
    assert float(facts.video_seconds) == pytest.approx(SECONDS, abs=0.15)
    assert float(facts.sound_seconds) == pytest.approx(SECONDS, abs=0.15)
    assert facts.likeness is not None
    assert facts.likeness > 0.5
