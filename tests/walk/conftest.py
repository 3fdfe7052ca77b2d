"""A sandbox, a ledger and a house in a folder of the test's own, and jobs to walk with."""

from __future__ import annotations

import io
import os
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import Job, MediaKind
from omnihuman_blocks.domain.pricing import upper_bound
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings
from omnihuman_blocks.walk import buying
from omnihuman_blocks.walk.accounts import seller_from_environment
from omnihuman_blocks.walk.house import House, desk_for
from omnihuman_blocks.walk.progress import Board
from omnihuman_blocks.walk.walker import Errand

RATE = 16000
SECONDS = 2.0


class MakeErrand(Protocol):
    """An errand; `number` tells one content from another."""

    def __call__(
        self,
        vendor: str,
        number: int = 0,
        *,
        again: bool = False,
        paid_too: bool = False,
        **wishes: object,
    ) -> Awaitable[Errand]: ...


OpenHouse = Callable[..., Any]


def _portrait(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 400), (number * 7 % 256, 90, 120)).save(file, "png")
    return file.getvalue()


def _voice(number: int) -> bytes:
    time = np.arange(int(SECONDS * RATE)) / RATE
    dice = np.random.default_rng(number)
    loudness = np.interp(time, np.linspace(0, SECONDS, 12), dice.random(12))
    pitch = 120 + 20 * (number % 9)
    tone = sum(np.sin(2 * np.pi * pitch * k * time + dice.random() * 6) / k for k in range(1, 12))
    noise = dice.standard_normal(len(time)) * 0.05
    samples = np.clip(loudness * (tone + noise) * 0.3, -1, 1)
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
def open_house(sandbox: Sandbox, tmp_path: Path) -> OpenHouse:
    """Opens a house on the test's ledger; a second one is another process as far as it can see."""

    @asynccontextmanager
    async def opened(
        *,
        patience: float = 30.0,
        budget: Decimal | None = None,
        most: int | None = None,
        passing: Callable[[str], None] = lambda _: None,
        search: float = 5.0,
    ) -> AsyncIterator[House]:
        pool = ThreadPoolExecutor(os.cpu_count())
        async with Http() as http:
            with Ledger.open(tmp_path / "ledger.db") as ledger:
                invocation = None
                if budget is not None:
                    invocation = "test"
                    ledger.set_budget(invocation, budget)
                sellers = {
                    name: seller_from_environment(name, sandbox.environment, max_in_flight=most)
                    for name in PROVIDERS
                }
                examiner = Examiner(read=partial(http.read, local=True, most=10_000_000), pool=pool)
                yield House(
                    http=http,
                    ledger=ledger,
                    desks={
                        name: desk_for(seller, http, ledger) for name, seller in sellers.items()
                    },
                    folder=tmp_path / "videos",
                    pool=pool,
                    read_upload=examiner.read_upload,
                    board=Board(rows_of={}, quote_usd=Decimal(0)),
                    invocation=invocation,
                    patience_seconds=patience,
                    search_seconds=search,
                    passing=passing,
                )
        pool.shutdown()

    return opened


@pytest.fixture
def errand(sandbox: Sandbox) -> MakeErrand:
    async def make(
        vendor: str,
        number: int = 0,
        *,
        again: bool = False,
        paid_too: bool = False,
        **wishes: object,
    ) -> Errand:
        model = PROVIDERS[vendor].MODELS["1.5"]
        options, ignored = model.options.understand(wishes)
        assert ignored == ()
        image = sandbox.host(f"p{number}.png", _portrait(number), "image/png")
        audio = sandbox.host(f"v{number}.wav", _voice(number), "audio/wav")
        pool = ThreadPoolExecutor(1)
        async with Http() as http:
            read = partial(http.read, local=True, most=10_000_000)
            examiner = Examiner(read=read, pool=pool)
            seen = await examiner.examine(image, MediaKind.IMAGE, "")
            heard = await examiner.examine(audio, MediaKind.AUDIO, "")
        pool.shutdown()
        job = Job(
            key=job_key(
                provider=vendor,
                model=model.id,
                image=seen.sha256,
                audio=heard.sha256,
                options=options,
            ),
            provider=vendor,
            model=model.id,
            image=seen,
            audio=heard,
            options=options,
        )
        bound = upper_bound(model.price, heard.seconds or Decimal(0))
        return Errand(job=job, bound=bound, again=again, paid_too=paid_too)

    return make
