"""One catalogue of local files, whatever their formats, is made by all four vendors.

Two of them take no upload of a recording, and fetch it from a bucket. Whoever counts what came in
sees each medium once.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

from omnihuman_blocks.catalogue.concluding import Conclusion, conclude, write_beginning
from omnihuman_blocks.catalogue.preparing import Prepared, open_ledger, order_of, prepare
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Vendor
from omnihuman_blocks.walk.opening import Setting, open_house
from omnihuman_blocks.walk.order import Order, open_shop
from omnihuman_blocks.walk.walker import Ending, walk

pytestmark = pytest.mark.xdist_group("media store")

Bucket = Any

VOICES = [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus")]
FACES = {"mira": "png", "jon": "tiff", "ada": "jpeg"}
UPLOADS: dict[Vendor, int] = {"runware": 1, "fal": 2, "pixazo": 0, "aimlapi": 0}
"""Requests that the sandbox counts as an upload of one medium; fal gives out a token first."""
SMALL = {"fal": {"resolution": "720p"}, "pixazo": {"resolution": "480p"}}


@pytest.fixture
def tables(
    tmp_path: Path, voice: Callable[..., bytes], portrait: Callable[..., bytes]
) -> tuple[str, str]:
    """Ten recordings and three faces: thirty rows."""
    for number in range(10):
        stored_as, codec = VOICES[number % len(VOICES)]
        (tmp_path / f"line-{number}.{stored_as}").write_bytes(voice(number, stored_as, codec))
    for number, (name, stored_as) in enumerate(FACES.items()):
        size = (6400, 600) if name == "ada" else (320, 320)
        (tmp_path / f"{name}.{stored_as}").write_bytes(portrait(number, stored_as, size))
    scripts = pd.DataFrame(
        {
            "script_id": [f"line-{number}" for number in range(10)],
            "locale": "en",
            "audio_uri": [f"line-{n}.{VOICES[n % len(VOICES)][0]}" for n in range(10)],
        }
    )
    avatars = pd.DataFrame(
        {"avatar_id": list(FACES), "image_uri": [f"{n}.{kind}" for n, kind in FACES.items()]}
    )
    scripts.to_parquet(tmp_path / "scripts.parquet")
    avatars.to_parquet(tmp_path / "avatars.parquet")
    return str(tmp_path / "scripts.parquet"), str(tmp_path / "avatars.parquet")


def make(order: Order) -> tuple[Prepared, Conclusion]:
    """Plans, walks and concludes as the flow does, without Prefect."""
    began_at = datetime.now(UTC)
    shop = open_shop(order, os.environ, with_keys=True)
    setting = Setting.of(order, "test")
    with open_ledger(order) as ledger:
        prepared = prepare(order, shop, ledger, buying=True)
    write_beginning(prepared)
    endings = asyncio.run(_walk(prepared, setting))
    with open_ledger(order) as ledger:
        return prepared, conclude(prepared, endings, ledger, began_at=began_at)


async def _walk(prepared: Prepared, setting: Setting) -> Sequence[Ending]:
    async with open_house(setting, load_block=lambda _: None) as house:
        return await asyncio.gather(*(walk(house, errand) for errand in prepared.errands()))


def uploads(sandbox: Sandbox) -> Counter[str]:
    return Counter(
        {name: one.requests.get("upload", 0) for name, one in sandbox.counts().vendors.items()}
    )


def test_thirty_rows_of_local_files_on_all_four_vendors(
    sandbox: Sandbox, bucket: Bucket, tables: tuple[str, str], tmp_path: Path
) -> None:
    """Everything is done everywhere; each medium went to each vendor, or to the bucket, once."""
    keys = {}
    for vendor, uploaded in UPLOADS.items():
        order = Order(
            scripts=tables[0],
            avatars=tables[1],
            results=str(tmp_path / vendor),
            provider=vendor,
            options=SMALL.get(vendor, {}),
            media_store=bucket.url,
        )
        prepared, made = make(order)
        assert made.exit_code == 0, (vendor, made.reasons)
        assert uploads(sandbox)[vendor] == uploaded * 13
        assert sandbox.counts().charged(vendor) == 30
        keys[vendor] = {row.row.audio_uri: row.parts[0].job.audio.sha256 for row in _rows(prepared)}
        _check_notes(prepared, vendor)
    # Pixazo fetches WAV and MP3, AIMLAPI anything: of five recordings a copy and the original.
    put = bucket.asked("PUT")
    assert set(put.values()) == {1}
    suffixes = Counter(name.rpartition(".")[2] for name in put)
    assert suffixes == {
        "wav": 3 + 3 + 2,
        "mp3": 2,
        "flac": 3,
        "ogg": 2,
        "png": 1,
        "tif": 1,
        "jpg": 1,
    }
    assert all(found == keys["runware"] for found in keys.values())
    assert sandbox.counts().bought_twice() == ()
    for vendor in UPLOADS:
        _check_secrets(tmp_path / vendor)


def _rows(prepared: Prepared) -> list[Any]:
    return [row for row in prepared.plan.rows if row.row is not None]


def _check_notes(prepared: Prepared, vendor: str) -> None:
    """Whoever reads the plan knows what is sent in place of a medium."""
    said = Counter(note.partition(":")[0] for row in _rows(prepared) for note in row.notes)
    expected = {
        "runware": {
            "`image_uri` is sent as JPEG": 10,
            "`image_uri` is sent as JPEG of 6000x562 pixels": 10,
        },
        "fal": {"`image_uri` is sent as JPEG": 10, "`audio_uri` is sent as WAV": 9},
        "pixazo": {"`audio_uri` is sent as WAV": 15},
        "aimlapi": {},
    }
    assert said == expected[vendor]


def _check_secrets(results: Path) -> None:
    """None in what people share. A signed address is in the ledger, and opens for a day."""
    for path in sorted(results.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            assert b"example-secret" not in content
            assert path.name.startswith("ledger.db") or b"X-Amz-Signature" not in content


def test_a_second_run_brings_nothing_and_a_new_ledger_only_looks(
    sandbox: Sandbox, bucket: Bucket, tables: tuple[str, str], tmp_path: Path
) -> None:
    """The store is named by the note; what lies in the bucket is found there."""
    pd.read_parquet(tables[0]).iloc[:1].to_parquet(tables[0])
    order = Order(
        scripts=tables[0],
        avatars=tables[1],
        results=str(tmp_path / "first"),
        provider="pixazo",
        options=SMALL["pixazo"],
        media_store=bucket.url,
    )
    assert make(order)[1].exit_code == 0
    brought, looked = bucket.asked("PUT"), bucket.asked("HEAD", status="404")
    assert brought.total() == 4

    again = order_of(order.results)
    assert again.media_store == bucket.url
    wish = {"resolution": "720p"}  # other jobs, the same media
    assert make(replace(again, options=wish))[1].summary.bought == 3
    assert bucket.asked("PUT") == brought
    assert bucket.asked("HEAD", status="404") == looked
    found = bucket.asked("HEAD")

    assert make(replace(order, results=str(tmp_path / "second")))[1].summary.bought == 3
    assert bucket.asked("PUT") == brought
    assert (bucket.asked("HEAD") - found).total() == 4


def test_a_finished_row_with_media_on_the_web_is_recognised_without_reading_them(
    sandbox: Sandbox, bucket: Bucket, tables: tuple[str, str], tmp_path: Path
) -> None:
    """One question for each, answered without a body; a recording that changed is bought."""
    system = fsspec.filesystem("s3")
    for name in ("line-0.wav", "mira.png"):
        content = (tmp_path / name).read_bytes()
        system.pipe_file(f"{bucket.name}/{name}", content, ACL="public-read")
    web = f"http://{bucket.server}/{bucket.name}"
    scripts = {"script_id": ["line"], "locale": ["en"], "audio_uri": [f"{web}/line-0.wav"]}
    pd.DataFrame(scripts).to_parquet(tables[0])
    pd.DataFrame({"avatar_id": ["mira"], "image_uri": [f"{web}/mira.png"]}).to_parquet(tables[1])
    order = Order(
        scripts=tables[0],
        avatars=tables[1],
        results=str(tmp_path / "out"),
        provider="pixazo",
        options=SMALL["pixazo"],
    )
    assert make(order)[1].exit_code == 0
    read = bucket.asked("GET")
    prepared, made = make(order)
    assert (prepared.recognised.count, made.summary.bought) == (1, 0)
    assert bucket.asked("GET") == read
    assert bucket.asked("GET", status="304") == {"line-0.wav": 1, "mira.png": 1}

    content = (tmp_path / "line-4.wav").read_bytes()
    system.pipe_file(f"{bucket.name}/line-0.wav", content, ACL="public-read")
    assert make(order)[1].summary.bought == 1
