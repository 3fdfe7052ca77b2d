"""Media made on the spot, for the tests of this folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

MEDIA_RATE = 22050


def _voice(
    seconds: float = 2.0,
    seed: int = 1,
    *,
    format: str = "wav",  # noqa: A002 - FFmpeg's word
    codec: str = "pcm_s16le",
    rate: int = MEDIA_RATE,
    silent: bool = False,
) -> bytes:
    """A low voice that rises, falls, glides and pauses as speech does; each seed says another
    thing."""
    dice = np.random.default_rng(seed)
    time = np.arange(int(seconds * MEDIA_RATE)) / MEDIA_RATE
    knots = np.linspace(0, seconds, int(seconds * 6) + 2)
    envelope = np.interp(time, knots, dice.random(len(knots)) * 1.4 - 0.4)
    pitch = np.interp(time, knots, 105 + 40 * dice.random(len(knots)))
    phase = 2 * np.pi * np.cumsum(pitch) / MEDIA_RATE
    tones = [np.sin(k * phase + k) * dice.random() for k in range(1, 14)]
    samples = np.clip(envelope, 0, 1) * np.sum(tones, axis=0) * (0.0 if silent else 0.12)
    return _encoded(samples.astype(np.float32), format, codec, rate)


def _encoded(samples: np.ndarray, format: str, codec: str, rate: int) -> bytes:  # noqa: A002
    file = io.BytesIO()
    with av.open(file, "w", format=format) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = MEDIA_RATE
        output.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def _image(width: int = 240, height: int = 320, kind: str = "jpeg", colour: str = "tan") -> bytes:
    noise = np.random.default_rng(7).normal(128, 30, (height, width, 3)).clip(0, 255)
    image = Image.fromarray(noise.astype(np.uint8))
    ImageDraw.Draw(image).ellipse((width / 4, height / 4, width / 2, height / 2), fill=colour)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.fixture
def media_voice() -> Callable[..., bytes]:
    return _voice


@pytest.fixture
def media_image() -> Callable[..., bytes]:
    return _image


@pytest.fixture
def media_pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool
