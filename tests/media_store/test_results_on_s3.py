"""Results in object storage: videos are received and checked here, and end in the bucket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from omnihuman_blocks.catalogue.concluding import Conclusion, conclude, write_beginning
from omnihuman_blocks.catalogue.preparing import Prepared, open_ledger, prepare
from omnihuman_blocks.edges.depot import Depot
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import Transient
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.opening import Setting, open_house
from omnihuman_blocks.walk.order import Order, open_shop
from omnihuman_blocks.walk.walker import Ending, walk

pytestmark = pytest.mark.xdist_group("media store")

Bucket = Any
ROWS = 3


def make(order: Order) -> Conclusion:
    """Plans, walks and concludes as the flow does, without Prefect."""
    began_at = datetime.now(UTC)
    shop = open_shop(order, os.environ, with_keys=True)
    with open_ledger(order) as ledger:
        prepared = prepare(order, shop, ledger, buying=True)
    write_beginning(prepared)
    endings = asyncio.run(_walk(prepared, Setting.of(order, "test")))
    with open_ledger(order) as ledger:
        return conclude(prepared, endings, ledger, began_at=began_at)


async def _walk(prepared: Prepared, setting: Setting) -> list[Ending]:
    async with open_house(setting, load_block=lambda _: None) as house:
        return await asyncio.gather(*(walk(house, errand) for errand in prepared.errands()))


@pytest.fixture
def order(
    bucket: Bucket, voice: Callable[..., bytes], portrait: Callable[..., bytes], tmp_path: Path
) -> Order:
    for number in range(ROWS):
        (tmp_path / f"{number}.wav").write_bytes(voice(number, "wav", "pcm_s16le"))
    (tmp_path / "face.png").write_bytes(portrait(1, "png"))
    pd.DataFrame(
        {
            "script_id": [f"s{number}" for number in range(ROWS)],
            "locale": "en",
            "audio_uri": [f"{number}.wav" for number in range(ROWS)],
        }
    ).to_parquet(tmp_path / "scripts.parquet")
    pd.DataFrame({"avatar_id": ["mira"], "image_uri": ["face.png"]}).to_parquet(
        tmp_path / "avatars.parquet"
    )
    return Order(
        scripts=str(tmp_path / "scripts.parquet"),
        avatars=str(tmp_path / "avatars.parquet"),
        results=f"s3://{bucket.name}/out",
        provider="runware",
        ledger=str(tmp_path / "ledger.db"),
    )


def test_videos_end_in_the_bucket_and_are_fetched_again_where_they_are_lost(
    sandbox: Sandbox, bucket: Bucket, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run asks for nothing, one after a loss fetches what was lost, and nobody pays."""
    (tmp_path / "staging").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "staging"))
    assert make(order).exit_code == 0
    system = fsspec.filesystem("s3")
    rows = pq.read_table(f"{bucket.name}/out/catalogue.parquet", filesystem=system).to_pylist()
    names = {row["video_uri"] for row in rows}
    assert len(names) == ROWS
    for row in rows:
        content = system.cat_file(f"{bucket.name}/out/{row['video_uri']}")
        assert (sha256(content).hexdigest(), len(content)) == (
            row["video_sha256"],
            row["video_bytes"],
        )
    assert list((tmp_path / "staging").iterdir()) == []  # nothing is left of what was received
    assert not list(tmp_path.rglob("*.mp4"))
    assert all(bucket.asked("PUT")[f"out/{name}"] == 1 for name in names)

    again = make(order)
    assert (again.exit_code, again.summary.bought, again.summary.reused) == (0, 0, ROWS)
    lost = min(names)
    system.rm(f"{bucket.name}/out/{lost}")
    assert make(order).exit_code == 0
    put = bucket.asked("PUT")
    assert {name: put[f"out/{name}"] for name in names} == {
        name: 1 + (name == lost) for name in names
    }
    assert sandbox.counts().charged("runware") == ROWS


def test_shards_share_a_bucket(sandbox: Sandbox, order: Order) -> None:
    """Each brings its own, and the other does not miss it."""
    for number in (1, 2):
        make(replace(order, shard=replace(order.shard, number=number, count=2)))
    folder = ResultsFolder.at(order.results)
    assert len(folder.names("videos")) == sandbox.counts().charged("runware") == ROWS


class Forgetful(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Keeps the size and loses what is in it."""

    protocol = "forgetful"

    def cat_file(self, path: str, *_: object, **__: object) -> bytes:
        return b"?" * int(self.info(path)["size"])

    def _open(self, path: str, mode: str = "rb", **more: object) -> Any:
        opened = super()._open(path, mode, **more)
        if mode == "rb":
            opened.getbuffer()[:] = b"?" * len(opened.getbuffer())
        return opened


def test_what_did_not_arrive_as_it_is_was_not_brought(tmp_path: Path) -> None:
    """Nothing is called done that was not seen where it is said to be."""
    files = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(Forgetful()))
    depot = Depot(
        results=ResultsFolder(address="forgetful://x", files=files, root="/x"), folder="videos"
    )
    video = tmp_path / "video.mp4"
    video.write_bytes(b"a video")
    with pytest.raises(Transient, match="is not what was put there"):
        depot.bring(video)
    assert depot.has("video.mp4", 7)
    assert not depot.has("video.mp4", 8)
    assert not depot.has("another.mp4", 7)
