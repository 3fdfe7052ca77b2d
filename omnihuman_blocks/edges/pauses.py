"""The bytes of a recording -> where it could be cut, and the stretches between cuts as files.

Recordings of hours go through here, so they are read as a stream: what is held is how loud each
hundredth of a second is, and the stretch that is being written.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from omnihuman_blocks.domain.cutting import LEAST_PAUSE_MS, Place, pause, quiet
from omnihuman_blocks.edges.sound import DEMUXERS, open_media

FRAME_MS = 10
RATE = 8000
SMOOTH_FRAMES = 5
"""A place is as quiet as its surroundings."""
QUIET_EVERY_MS = 1000
"""So often there is a place to cut, pause or not."""
SILENCE = 1e-5
LOUD_PERCENTILE, FLOOR_PERCENTILE = 90, 5
ABOVE_FLOOR_DB, BELOW_SPEECH_DB = 6.0, 15.0
MOST_RATE = 48_000

Sound = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Stretched:
    """One stretch of a recording, as a WAV file."""

    content: bytes
    seconds: Decimal


def find_places(content: bytes) -> tuple[int, list[Place]]:
    """How many milliseconds there are, and every place where a cut may be, in order."""
    loudness = _loudness(content)
    return len(loudness) * FRAME_MS, sorted(_places(loudness), key=lambda place: place.at)


def stretches(content: bytes, cuts_ms: Sequence[int]) -> Iterator[Stretched]:
    """The recording between the cuts: not a sample more or less, at its own rate."""
    with open_media(content, DEMUXERS) as container:
        stream = container.streams.audio[0]
        rate = min(stream.rate, MOST_RATE)
        channels = min(stream.channels, 2)
        ends = [at * rate // 1000 for at in cuts_ms]
        writer = _Writer(rate, channels)
        for samples in _decoded(container, "s16", rate, channels):
            left = samples.reshape(-1, channels)
            while ends and writer.at + len(left) >= ends[0]:
                here = ends.pop(0) - writer.at
                writer.write(left[:here])
                yield writer.next()
                left = left[here:]
            writer.write(left)
        yield writer.next()


class _Writer:
    """One WAV file after the other."""

    def __init__(self, rate: int, channels: int) -> None:
        self._rate, self._channels = rate, channels
        self.at = 0
        self._began = 0
        self._open()

    def _open(self) -> None:
        self._began = self.at
        self._file = io.BytesIO()
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - closed by `next`
        self._wave.setnchannels(self._channels)
        self._wave.setsampwidth(2)
        self._wave.setframerate(self._rate)

    def write(self, samples: NDArray[np.int16]) -> None:
        self._wave.writeframesraw(np.ascontiguousarray(samples).tobytes())
        self.at += len(samples)

    def next(self) -> Stretched:
        self._wave.close()
        seconds = round(Decimal(self.at - self._began) / self._rate, 6)
        written = Stretched(content=self._file.getvalue(), seconds=seconds)
        self._open()
        return written


# --- how loud it is -------------------------------------------------------------------------------


def _loudness(content: bytes) -> Sound:
    """The root mean square of each hundredth of a second."""
    size = RATE * FRAME_MS // 1000
    found: list[Sound] = []
    rest = np.zeros(0, dtype=np.float32)
    with open_media(content, DEMUXERS) as container:
        for samples in _decoded(container, "flt", RATE, 1):
            rest = np.concatenate([rest, samples])
            whole = len(rest) // size * size
            found.append(_root_mean_square(rest[:whole].reshape(-1, size)))
            rest = rest[whole:]
    if rest.size:
        found.append(_root_mean_square(rest.reshape(1, -1)))
    return np.concatenate(found) if found else np.zeros(0)


def _root_mean_square(frames: NDArray[np.float32]) -> Sound:
    return np.asarray(np.sqrt(np.mean(frames.astype(np.float64) ** 2, axis=1)))


def _decoded(
    container: av.container.InputContainer, form: str, rate: int, channels: int
) -> Iterator[NDArray[Any]]:
    resampler = av.AudioResampler(
        format=form, layout="mono" if channels == 1 else "stereo", rate=rate
    )
    for packet in container.demux(audio=0):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue  # tags behind the sound; that it can be decoded was examined before
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)  # noqa: S101 - a sound stream has no other
            yield from (piece.to_ndarray()[0] for piece in resampler.resample(frame))
    yield from (piece.to_ndarray()[0] for piece in resampler.resample(None))


def _places(loudness: Sound) -> Iterator[Place]:
    if not loudness.size:
        return
    level = 20 * np.log10(np.maximum(loudness, SILENCE))
    loud, floor = np.percentile(level, [LOUD_PERCENTILE, FLOOR_PERCENTILE])
    threshold = min(
        floor + max(ABOVE_FLOOR_DB, (loud - floor) / 4), max(loud, floor) - BELOW_SPEECH_DB
    )
    yield from _pauses(level < threshold)
    yield from _quiet_places(loudness, 10 ** (loud / 20))


def _pauses(is_still: NDArray[np.bool_]) -> Iterator[Place]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_still, [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2) * FRAME_MS:
        if end - start >= LEAST_PAUSE_MS:
            yield pause(int(start), int(end))


def _quiet_places(loudness: Sound, loud: float) -> Iterator[Place]:
    """The quietest moment of every second."""
    smooth = np.convolve(loudness, np.ones(SMOOTH_FRAMES) / SMOOTH_FRAMES, "same")
    size = QUIET_EVERY_MS // FRAME_MS
    for start in range(0, len(smooth), size):
        at = start + int(np.argmin(smooth[start : start + size]))
        yield quiet(at * FRAME_MS, int(100 * smooth[at] / max(loud, SILENCE)))
