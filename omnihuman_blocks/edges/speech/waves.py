"""Samples -> a WAV file that everybody reads, with its real length in its header."""

from __future__ import annotations

import io
import wave

import av
import numpy as np
import numpy.typing as npt

from omnihuman_blocks.edges.sound import DEMUXERS, open_media

LOUDEST = 0.89 * 32767
"""One decibel below full scale, so that a vendor's encoder does not clip."""


def as_wave(samples: npt.NDArray[np.int16], rate: int) -> bytes:
    """One channel of 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def evened(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Every text equally loud at its loudest."""
    peak = float(np.abs(samples.astype(np.float32)).max(initial=0.0)) or 1.0
    return (samples.astype(np.float32) * (LOUDEST / peak)).round().astype(np.int16)


def rewritten(content: bytes) -> bytes:
    """Any recording as a WAV file. What servers stream has a header that knows no length."""
    with open_media(content, DEMUXERS) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        frames = [
            frame for decoded in container.decode(audio=0) for frame in resampler.resample(decoded)
        ]
        frames += resampler.resample(None)
    return as_wave(np.concatenate([frame.to_ndarray()[0] for frame in frames]), rate)
