"""A sandbox that calls back for real, a receiver that it calls, and walks that buy in between."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import Job, JobKey, Media, MediaKind
from omnihuman_blocks.domain.pricing import upper_bound
from omnihuman_blocks.edges.ledger import JobState, Ledger
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings
from omnihuman_blocks.walk import buying, calls
from omnihuman_blocks.walk.house import House
from omnihuman_blocks.walk.opening import Setting, open_house
from omnihuman_blocks.walk.walker import Errand
from omnihuman_blocks.webhooks import Webhooks, app_for
from omnihuman_blocks.webhooks.serving import bind, server

RATE = 8000
SECONDS = 1.0
DEADLINE = 20.0

OpenHouse: TypeAlias = Callable[..., AbstractAsyncContextManager[House]]


def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Asks again and again; what it says when it is true."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come about within {DEADLINE:g} s")


@pytest.fixture(autouse=True)
def a_quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's jobs take tenths of a second, so questions are asked as often as that."""
    monkeypatch.setattr(pacing, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(pacing, "SHORTEST_WAIT", 0.02)
    monkeypatch.setattr(buying, "STAND_BY_SECONDS", 0.05)
    monkeypatch.setattr(calls, "LOOK_SECONDS", 0.05)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=Settings(time_scale=0.002, webhook_attempts=1)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """With nothing bought and nothing broken; its keys and addresses in the environment."""
    running_sandbox.reset()
    usual = running_sandbox.settings.model_dump()
    for name, value in running_sandbox.environment.items():
        monkeypatch.setenv(name, value)
    yield running_sandbox
    running_sandbox.faults.clear()
    running_sandbox.settings.change(usual)
    running_sandbox.reset()


# --- what is bought -----------------------------------------------------------------------------


@cache
def _portrait() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 320), (90, 90, 120)).save(file, "png")
    return file.getvalue()


@cache
def _voice(number: int) -> bytes:
    moments = np.arange(int(SECONDS * RATE)) / RATE
    dice = np.random.default_rng(number)
    loudness = np.interp(moments, np.linspace(0, SECONDS, 8), 0.3 + 0.7 * dice.random(8))
    tone = np.sin(2 * np.pi * (150 + 37 * number) * moments)
    noise = dice.standard_normal(len(moments)) * 0.3
    samples = np.clip(loudness * (tone + noise) * 0.4, -1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _medium(sandbox: Sandbox, kind: MediaKind, name: str, data: bytes, **facts: Any) -> Media:
    uri = sandbox.host(name, data)
    digest = hashlib.sha256(data).hexdigest()
    return Media(kind=kind, uri=uri, sha256=digest, size=len(data), **facts)


@pytest.fixture
def errand(sandbox: Sandbox) -> Callable[..., Errand]:
    def make(vendor: str, number: int = 0, **wishes: object) -> Errand:
        model = PROVIDERS[vendor].MODELS["1.5"]
        options, _ = model.options.understand(wishes)
        seconds = Decimal(str(SECONDS))
        image = _medium(
            sandbox, MediaKind.IMAGE, "face.png", _portrait(), format="png", width=320, height=320
        )
        audio = _medium(
            sandbox,
            MediaKind.AUDIO,
            f"line{number}.wav",
            _voice(number),
            format="wav",
            seconds=seconds,
        )
        key = job_key(
            provider=vendor,
            model=model.id,
            image=image.sha256,
            audio=audio.sha256,
            options=options,
        )
        job = Job(
            key=key, provider=vendor, model=model.id, image=image, audio=audio, options=options
        )
        return Errand(job=job, bound=upper_bound(model.price, seconds))

    return make


# --- who receives, who buys ---------------------------------------------------------------------


@dataclass(frozen=True)
class Receiver:
    """A receiver on a port, on a connection of its own to the test's ledger."""

    app: Webhooks
    ledger: Ledger
    url: str

    def state(self, key: JobKey) -> JobState:
        state = self.ledger.state(key)
        assert state is not None
        return state

    async def heard(self, number: int) -> dict[str, int]:
        """What so many callbacks came to, once that many have come."""
        arrived = lambda: sum(self.app.counts.values()) >= number  # noqa: E731
        await asyncio.to_thread(until, arrived, f"{number} callbacks")
        return self.counted()

    def counted(self) -> dict[str, int]:
        return {name: count for name, count in self.app.counts.items() if count}

    def token(self, key: JobKey) -> str:
        """What the vendor was told, as only the ledger knows it."""
        from omnihuman_blocks.edges.ledger.schema import intents  # noqa: PLC0415

        tokens = intents.select().where(intents.c.job_key == key).order_by(intents.c.id)
        rows = self.ledger._store.read(lambda tx: tx.run(tokens).all())
        found: str = rows[-1].callback_token
        return found


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "out" / "ledger.db"


@pytest.fixture
def receiver(sandbox: Sandbox, ledger_file: Path) -> Iterator[Receiver]:
    with Ledger.open(ledger_file) as ledger, bind("127.0.0.1", 0) as listener:
        app = app_for(ledger, environment=sandbox.environment)
        serving = server(app)
        thread = threading.Thread(
            target=lambda: asyncio.run(serving.serve(sockets=[listener])), daemon=True
        )
        thread.start()
        until(lambda: serving.started, "the receiver")
        yield Receiver(app, ledger, f"http://127.0.0.1:{listener.getsockname()[1]}")
        serving.should_exit = True
        thread.join(DEADLINE)


@pytest.fixture
def house(sandbox: Sandbox, ledger_file: Path) -> OpenHouse:
    """Opens a house as a flow does it; `webhook_url` says under which address vendors call."""

    @asynccontextmanager
    async def opened(
        webhook_url: str | None = None, *, search: float = DEADLINE, patience: float = DEADLINE
    ) -> AsyncIterator[House]:
        setting = Setting(
            invocation="test",
            results=str(ledger_file.parent),
            ledger=str(ledger_file),
            provider="fal",
            webhook_url=webhook_url,
            patience_seconds=patience,
        )
        async with open_house(setting, load_block=lambda _: None) as house:
            house.search_seconds = search
            yield house

    return opened
