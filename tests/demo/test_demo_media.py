"""The demo's tables and media, as they ship in the wheel."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from omnihuman_blocks.commands.demo import CUT
from omnihuman_blocks.domain.job import MediaKind
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.providers import PROVIDERS

DEMO = Path(str(resources.files("omnihuman_blocks") / "demo"))


def table(name: str) -> list[dict[str, str]]:
    with (DEMO / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_vendor_has_rows_and_no_two_are_the_same() -> None:
    """What is shown without asking for all of it has all vendors, recordings and texts."""
    rows = table("scripts.csv")
    shown = rows[:CUT]
    assert {row["provider"] for row in shown} == set(PROVIDERS)
    assert len({row["locale"] for row in shown}) >= 8
    assert {bool(row["audio_uri"]) for row in shown} == {True, False}
    assert len({row["locale"] for row in rows}) >= 12
    assert len({(r["script_id"], r["locale"], r["avatar_id"]) for r in rows}) == len(rows)
    assert {row["avatar_id"] for row in rows} == {row["avatar_id"] for row in table("avatars.csv")}


async def test_every_medium_is_there_and_good() -> None:
    """Clips of three to six seconds that every vendor takes, portraits, and nothing forgotten."""
    recorded = [row["audio_uri"] for row in table("scripts.csv") if row["audio_uri"]]
    addresses = {(uri, MediaKind.AUDIO) for uri in recorded}
    addresses |= {(row["image_uri"], MediaKind.IMAGE) for row in table("avatars.csv")}
    with ThreadPoolExecutor(2) as pool:
        examiner = Examiner(read=_no_web, pool=pool)
        media = [await examiner.examine(uri, kind, DEMO) for uri, kind in addresses]
    for medium in media:
        if medium.kind is MediaKind.AUDIO:
            assert medium.format == "mp3"
            assert medium.seconds is not None
            assert Decimal(3) < medium.seconds < Decimal(6)
        else:
            assert (medium.format, medium.width, medium.height) == ("jpeg", 768, 1024)
    assert sum(medium.size for medium in media) < 500_000
    assert _shipped() == {uri for uri, _ in addresses}


def _shipped() -> set[str]:
    files = (path for path in DEMO.rglob("*") if path.suffix in (".mp3", ".jpg"))
    return {path.relative_to(DEMO).as_posix() for path in files}


async def _no_web(url: str) -> bytes:
    pytest.fail(f"the demo needs no network, and asked for {url}")
