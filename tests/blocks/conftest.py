"""A sandbox with media on its shelf and on disk, and blocks that point there."""

from __future__ import annotations

import io
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.block_base import VendorBlock
from omnihuman_blocks.blocks import BLOCKS
from omnihuman_blocks.domain import pacing
from omnihuman_blocks.edges.places import find
from omnihuman_blocks.providers import room
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings
from omnihuman_blocks.walk import buying

RATE = 16000
SECONDS = 2.0

MakeBlock = Callable[..., VendorBlock]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A picture and what it says: addresses on the sandbox's shelf, or paths."""

    image: str
    audio: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.image, self.audio))


def _portrait() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 400), (60, 90, 120)).save(file, "png")
    return file.getvalue()


def _voice() -> bytes:
    time = np.arange(int(SECONDS * RATE)) / RATE
    dice = np.random.default_rng(3)
    loudness = np.interp(time, np.linspace(0, SECONDS, 12), dice.random(12))
    tone = sum(np.sin(2 * np.pi * 140 * k * time + dice.random() * 6) / k for k in range(1, 12))
    samples = np.clip(loudness * tone * 0.3, -1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture(autouse=True)
def a_quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's jobs take tenths of a second, so questions are asked as often as that."""
    monkeypatch.setattr(pacing, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(pacing, "SHORTEST_WAIT", 0.02)
    monkeypatch.setattr(buying, "STAND_BY_SECONDS", 0.05)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=0.005)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, with nothing bought, nothing broken and its usual settings."""
    running_sandbox.reset()
    usual = running_sandbox.settings.model_dump()
    yield running_sandbox
    running_sandbox.faults.clear()
    running_sandbox.settings.change(usual)
    running_sandbox.reset()


@pytest.fixture
def hosted(sandbox: Sandbox) -> Pair:
    """Media on the web."""
    return Pair(
        image=sandbox.host("anna.png", _portrait(), "image/png"),
        audio=sandbox.host("hello.wav", _voice(), "audio/wav"),
    )


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Media on disk, old enough for their times to tell whether they have changed."""
    folder = tmp_path_factory.mktemp("media")
    image, audio = folder / "anna.png", folder / "hello.wav"
    image.write_bytes(_portrait())
    audio.write_bytes(_voice())
    deadline = time.monotonic() + 30
    while find(str(image)).mark is None or find(str(audio)).mark is None:
        assert time.monotonic() < deadline, "the files never settled"
        time.sleep(0.1)
    return Pair(image=str(image), audio=str(audio))


@pytest.fixture
def make_block(sandbox: Sandbox, tmp_path: Path) -> MakeBlock:
    """A vendor's block that points at the sandbox and keeps its things in the test's folder."""

    def make(vendor: str, **fields: Any) -> VendorBlock:
        block = next(each for each in BLOCKS if each.vendor == vendor)
        addresses = {
            name: sandbox.environment[variable] for name, variable in block.address_fields.items()
        }
        key = sandbox.environment[room(vendor).KEY_VARIABLE]
        given = {"api_key": key, "results": str(tmp_path / "made"), **addresses, **fields}
        return block(**given)

    return make
