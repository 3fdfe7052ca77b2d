"""Portraits and voices made here, and a look into the videos that come out."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from omnihuman_blocks.sandbox.render import Studio

Make = Callable[..., bytes]
RATE = 22050


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A video, decoded to its end."""

    frames: list[NDArray[np.uint8]]
    picture_seconds: float
    sound: NDArray[np.float32]
    rate: int
    codecs: tuple[str, str]

    @property
    def sound_seconds(self) -> float:
        return len(self.sound) / self.rate


def _portrait(
    width: int = 240, height: int = 320, kind: str = "jpeg", colour: str = "tan", mode: str = "RGB"
) -> bytes:
    image = Image.new("RGB", (width, height), "steelblue")
    pen = ImageDraw.Draw(image)
    pen.ellipse((width * 0.25, height * 0.15, width * 0.75, height * 0.7), fill=colour)
    pen.ellipse((width * 0.4, height * 0.5, width * 0.6, height * 0.58), fill="firebrick")
    file = io.BytesIO()
    image.convert(mode).save(file, kind)
    return file.getvalue()


def _voice(seconds: float = 2.0, seed: int = 1, *, silent: bool = False) -> bytes:
    """Something that rises and falls as speech does: syllables and pauses over a low voice."""
    dice = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    knots = int(seconds * 6) + 2
    envelope = np.interp(time, np.linspace(0, seconds, knots), dice.random(knots) * 1.4 - 0.4)
    tone = np.sum([np.sin(2 * np.pi * 130 * k * time + k) / k for k in range(1, 10)], axis=0)
    samples = np.zeros_like(time) if silent else np.clip(envelope, 0, 1) * tone * 0.3
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _see(video: bytes) -> Seen:
    with av.open(io.BytesIO(video), mode="r") as container:
        picture = container.streams.video[0]
        codecs = (picture.codec_context.name, container.streams.audio[0].codec_context.name)
        rate = picture.average_rate
        assert rate is not None
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(io.BytesIO(video), mode="r") as container:
        heard = list(container.decode(audio=0))
    sound = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in heard])
    return Seen(
        frames=[np.asarray(frame, dtype=np.uint8) for frame in frames],
        picture_seconds=len(frames) / float(rate),
        sound=sound.astype(np.float32),
        rate=heard[0].sample_rate,
        codecs=codecs,
    )


@pytest.fixture
def portrait() -> Make:
    return _portrait


@pytest.fixture
def voice() -> Make:
    return _voice


@pytest.fixture
def see() -> Callable[[bytes], Seen]:
    return _see


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    studio = Studio()
    yield studio
    studio.close()
