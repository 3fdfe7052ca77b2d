"""Good videos, spoilt: each defect is one that a vendor, a codec or a mix-up can cause."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

Frames = list[NDArray[np.uint8]]
Wave = NDArray[np.float32]
RATE = 16000


def taken_apart(clip: bytes) -> tuple[Frames, Fraction, Wave]:
    """Pictures, how many of them come in a second, and sound."""
    with av.open(io.BytesIO(clip), mode="r") as source:
        rate = source.streams.video[0].average_rate or Fraction(25)
        frames = [
            np.asarray(frame.to_ndarray(format="yuv420p"), dtype=np.uint8)
            for frame in source.decode(source.streams.video[0])
        ]
    return frames, Fraction(rate), heard(clip)


def heard(clip: bytes) -> Wave:
    """The sound of a video or a recording."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(io.BytesIO(clip), mode="r") as source:
        pieces = [
            piece.to_ndarray()[0]
            for frame in source.decode(source.streams.audio[0])
            for piece in resampler.resample(frame)
        ]
    return np.concatenate(pieces)


def put_together(frames: Frames, rate: Fraction, wave: Wave) -> bytes:
    """A video of these, encoded as vendors do."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        picture = output.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        assert isinstance(picture, av.VideoStream)
        height, width = frames[0].shape[0] * 2 // 3, frames[0].shape[1]
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        sound = output.add_stream("aac", rate=RATE, layout="mono")
        assert isinstance(sound, av.AudioStream)
        for at, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            frame.pts, frame.time_base = at, 1 / rate
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wave[None], dtype=np.float32), format="fltp", layout="mono"
        )
        samples.sample_rate, samples.pts = RATE, 0
        output.mux([*sound.encode(samples), *sound.encode(None)])
    return file.getvalue()


def middle(length: int, share: float) -> slice:
    """So much of it, in the middle."""
    start = int(length * (1 - share) / 2)
    return slice(start, start + int(length * share))


def black(clip: bytes, other: Wave) -> bytes:
    """The picture fails for a third of the time."""
    frames, rate, wave = taken_apart(clip)
    night = frames[0].copy()
    night[: len(night) * 2 // 3] = 16
    night[len(night) * 2 // 3 :] = 128
    frames[middle(len(frames), 0.34)] = [night] * len(frames[middle(len(frames), 0.34)])
    return put_together(frames, rate, wave)


def frozen(clip: bytes, other: Wave) -> bytes:
    """A photograph with sound."""
    frames, rate, wave = taken_apart(clip)
    return put_together([frames[len(frames) // 2]] * len(frames), rate, wave)


def mute(clip: bytes, other: Wave) -> bytes:
    """A sound track without sound."""
    frames, rate, wave = taken_apart(clip)
    return put_together(frames, rate, np.zeros_like(wave))


def gap(clip: bytes, other: Wave) -> bytes:
    """The sound is lost for a third of the time."""
    frames, rate, wave = taken_apart(clip)
    wave[middle(len(wave), 0.34)] = 0
    return put_together(frames, rate, wave)


def whisper(clip: bytes, other: Wave) -> bytes:
    """Everything is right, and nobody hears it."""
    frames, rate, wave = taken_apart(clip)
    return put_together(frames, rate, wave * np.float32(0.05))


def swapped(clip: bytes, other: Wave) -> bytes:
    """Another row's sound."""
    frames, rate, wave = taken_apart(clip)
    return put_together(frames, rate, np.resize(other, len(wave)))


def patched(clip: bytes, other: Wave) -> bytes:
    """Another row's sound for a while; before and after it is the right one."""
    frames, rate, wave = taken_apart(clip)
    at = middle(len(wave), 0.4)
    wave[at] = np.resize(other, len(wave[at]))
    return put_together(frames, rate, wave)


def short(clip: bytes, other: Wave) -> bytes:
    """It ends before it has said everything."""
    frames, rate, wave = taken_apart(clip)
    return put_together(frames[: len(frames) * 4 // 5], rate, wave[: len(wave) * 4 // 5])


def slow(clip: bytes, other: Wave) -> bytes:
    """The picture goes on long after the sound."""
    frames, rate, wave = taken_apart(clip)
    return put_together([frame for frame in frames for _ in (1, 2)], rate, wave)


def cut(clip: bytes, other: Wave) -> bytes:
    """The end of the file is missing."""
    return clip[: len(clip) * 2 // 3]


DEFECTS: dict[str, tuple[Callable[[bytes, Wave], bytes], str]] = {
    "black": (black, "picture is black"),
    "frozen": (frozen, "nothing moves"),
    "mute": (mute, "it is silent"),
    "gap": (gap, "it is silent"),
    "whisper": (whisper, "LU quieter"),
    "swapped": (swapped, "not this row's audio"),
    "patched": (patched, "not this row's audio"),
    "short": (short, "picture lasts"),
    "slow": (slow, "picture lasts"),
    "cut": (cut, "breaks off while decoding"),
}
"""What is done to a video, and what must be said of it."""
