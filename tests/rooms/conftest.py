"""A sandbox, accounts at it, and something to buy."""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Protocol

import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import Job, Media, MediaKind, Submission, Upload
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings
from omnihuman_blocks.walk.accounts import Seller, seller_from_environment

RATE = 16000


class Order(Protocol):
    """A submission with media that the sandbox hosts; `number` tells one content from another."""

    def __call__(
        self, vendor: str, version: str = "1.5", *, number: int = 0, **wishes: object
    ) -> Submission: ...


def _portrait(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 400), (number * 40 % 256, 90, 120)).save(file, "png")
    return file.getvalue()


def _voice(number: int, seconds: float) -> bytes:
    time = np.arange(int(seconds * RATE)) / RATE
    dice = np.random.default_rng(number)
    loudness = np.interp(time, np.linspace(0, seconds, 12), dice.random(12))
    samples = loudness * np.sin(2 * np.pi * 180 * time) * 0.5
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _media(kind: MediaKind, uri: str, content: bytes, seconds: float | None) -> Media:
    return Media(
        kind=kind,
        uri=uri,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        format="wav" if kind is MediaKind.AUDIO else "png",
        seconds=None if seconds is None else Decimal(str(seconds)),
    )


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
    running_sandbox.reset()
    running_sandbox.settings.change(usual)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as http:
        yield http


@pytest.fixture
def seller(sandbox: Sandbox) -> Callable[[str], Seller]:
    return lambda name: seller_from_environment(name, sandbox.environment)


@pytest.fixture
def order(sandbox: Sandbox) -> Order:
    def make(vendor: str, version: str = "1.5", *, number: int = 0, **wishes: object) -> Submission:
        model = PROVIDERS[vendor].MODELS[version]
        options, ignored = model.options.understand(wishes)
        assert ignored == ()
        portrait, voice = _portrait(number), _voice(number, 2.0)
        image_url = sandbox.host(f"portrait-{number}.png", portrait, "image/png")
        audio_url = sandbox.host(f"voice-{number}.wav", voice, "audio/wav")
        image = _media(MediaKind.IMAGE, image_url, portrait, None)
        audio = _media(MediaKind.AUDIO, audio_url, voice, 2.0)
        job = Job(
            key=job_key(
                provider=vendor,
                model=model.id,
                image=image.sha256,
                audio=audio.sha256,
                options=options,
            ),
            provider=vendor,
            model=model.id,
            image=image,
            audio=audio,
            options=options,
        )
        return Submission(job=job, attempt=1, image=image_url, audio=audio_url)

    return make


@pytest.fixture
def uploads() -> dict[MediaKind, Upload]:
    return {
        MediaKind.IMAGE: Upload(
            kind=MediaKind.IMAGE, name="p.png", media_type="image/png", content=_portrait(9)
        ),
        MediaKind.AUDIO: Upload(
            kind=MediaKind.AUDIO, name="v.wav", media_type="audio/wav", content=_voice(9, 2.0)
        ),
    }
