"""A sandbox, tables of long scripts, and an invocation as the flow makes it, without Prefect."""

from __future__ import annotations

import asyncio
import io
import os
import wave
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from omnihuman_blocks.catalogue.concluding import Conclusion, conclude, join, write_beginning
from omnihuman_blocks.catalogue.preparing import Prepared, open_ledger, plan_order, prepare
from omnihuman_blocks.domain import pacing
from omnihuman_blocks.edges import places
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings, Vendor
from omnihuman_blocks.walk.opening import Setting, open_house
from omnihuman_blocks.walk.order import Order, open_shop
from omnihuman_blocks.walk.walker import Ending, walk

RATE = 16000


@pytest.fixture(autouse=True)
def a_quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's jobs take tenths of a second, so questions are asked as often as that."""
    monkeypatch.setattr(pacing, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(pacing, "SHORTEST_WAIT", 0.02)
    # What was written this very moment could change again unseen; here it does not.
    monkeypatch.setattr(places, "SETTLED_SECONDS", -1.0)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=0.001)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox, named by the environment as for anybody who uses it."""
    running_sandbox.reset()
    for name, value in running_sandbox.environment.items():
        monkeypatch.setenv(name, value)
    yield running_sandbox
    running_sandbox.faults.clear()
    running_sandbox.reset()


@cache
def _speech(seconds: float, pauses: tuple[tuple[float, float], ...] = (), seed: int = 1) -> bytes:
    """A voice that goes up and down and is silent in its pauses, as WAV."""
    clock = np.arange(int(seconds * RATE)) / RATE
    dice = np.random.default_rng(seed)
    steps = int(seconds * 6) + 2
    loudness = np.interp(clock, np.linspace(0, seconds, steps), 0.4 + 0.6 * dice.random(steps))
    pitch = np.interp(clock, np.linspace(0, seconds, steps), 120 + 60 * dice.random(steps))
    turn = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(turn * k + k) / k for k in range(1, 9)) + dice.standard_normal(len(clock))
    for start, end in pauses:
        loudness[int(start * RATE) : int(end * RATE)] = 0.001
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((np.clip(loudness * sound * 0.15, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture(scope="session")
def speech() -> Callable[..., bytes]:
    return _speech


@dataclass
class Workshop:
    """A folder with tables and results."""

    folder: Path
    sandbox: Sandbox
    scripts: list[dict[str, Any]] = field(default_factory=list)
    order: Order = field(init=False)

    def __post_init__(self) -> None:
        Image.new("RGB", (320, 320), (90, 120, 50)).save(self.folder / "face.png")
        avatars = [{"avatar_id": "mira", "image_uri": "face.png"}]
        pq.write_table(pa.Table.from_pylist(avatars), self.folder / "avatars.parquet")
        self.order = Order(
            scripts=str(self.folder / "scripts.parquet"),
            avatars=str(self.folder / "avatars.parquet"),
            results=str(self.folder / "out"),
            provider="runware",
        )

    @property
    def results(self) -> Path:
        return self.folder / "out"

    def lay(self, *scripts: dict[str, Any]) -> None:
        usual = {"script_id": "long", "locale": "en-GB", "avatar_id": "mira"}
        rows = [{**usual, **script} for script in scripts]
        pq.write_table(pa.Table.from_pylist(rows), self.order.scripts)

    def plan(self, **changes: Any) -> Prepared:
        return plan_order(replace(self.order, **changes))

    def make(self, *, until_joined: bool = True, **changes: Any) -> tuple[Prepared, Conclusion]:
        """Plans, walks, joins and concludes. Without joining: as somebody who is killed then."""
        order, began_at = replace(self.order, **changes), datetime.now(UTC)
        shop = open_shop(order, os.environ, with_keys=True)
        with open_ledger(order) as ledger:
            prepared = prepare(order, shop, ledger, buying=True)
        write_beginning(prepared)
        endings = asyncio.run(self._walk(prepared, Setting.of(order, "test")))
        with open_ledger(order) as ledger:
            unjoined = join(prepared, ledger).failed if until_joined else {}
            return prepared, conclude(
                prepared, endings, ledger, began_at=began_at, unjoined=unjoined
            )

    async def _walk(self, prepared: Prepared, setting: Setting) -> Sequence[Ending]:
        async with open_house(setting, load_block=lambda _: None) as house:
            return await asyncio.gather(*(walk(house, one) for one in prepared.errands()))

    def catalogue(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.results / "catalogue.parquet").to_pylist()
        return rows

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.catalogue())

    def charged(self, vendor: Vendor = "runware") -> int:
        return self.sandbox.counts().charged(vendor)


@pytest.fixture
def workshop(sandbox: Sandbox, tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, sandbox)
