"""Two recordings -> how much the one sounds in the other.

Compared by waveform and not by loudness over time: the same voice reading another sentence rises
and falls alike, but its waves never match. A clip's sound has gone through codecs, rates and
mixers, so offset, drift, volume and sign are free.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from omnihuman_blocks.edges.sound import DEMUXERS, Source, open_media

Wave = NDArray[np.float64]

RATE = 8000
VOICE_BAND = (150.0, 3400.0)  # below it mains hum would match mains hum, above it codecs differ
OFFSET_SECONDS = 0.5
WINDOW_SECONDS = 0.5
DRIFT_SECONDS = 0.12
WORST = 0.1
QUIET = 0.05
SILENT = 1e-4


def waveform(source: Source, demuxers: str = DEMUXERS) -> Wave:
    """The sound as one channel at a low rate, as far as it can be decoded."""
    try:
        with open_media(source, demuxers) as container:
            pieces = list(_resampled(container))
    except (av.FFmpegError, IndexError):
        pieces = []
    return np.concatenate(pieces).astype(np.float64) if pieces else np.zeros(0)


def _resampled(container: InputContainer) -> Iterator[NDArray[np.float32]]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    for packet in container.demux(audio=0):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)  # noqa: S101 - a sound stream has no other
            for piece in resampler.resample(frame):
                yield piece.to_ndarray()[0]
    for piece in resampler.resample(None):
        yield piece.to_ndarray()[0]


def likeness(ours: Wave, theirs: Wave) -> float | None:
    """How much a recording sounds in another, 0 to 1; None where ours is silent.

    Both are laid upon each other where they fit best and compared in windows of half a second,
    each of which may have drifted a little. What counts is the worst tenth: two recordings that
    differ in one name only are not alike, and a crackle does not make them different.
    """
    ours, theirs = _voice(ours), _voice(theirs)
    if not ours.size or _power(ours) < SILENT**2:
        return None
    if not theirs.size or _power(theirs) < SILENT**2:
        return 0.0
    offset = _best_offset(ours, theirs)
    return float(np.quantile(list(_windows(ours, theirs, offset)), WORST))


def _power(wave: Wave) -> float:
    return float(np.mean(wave**2))


def _voice(wave: Wave) -> Wave:
    """The part of the spectrum in which voices live and codecs are faithful."""
    if not wave.size:
        return wave
    length = _quick_length(len(wave))
    spectrum = np.fft.rfft(wave, length)
    pitch = np.fft.rfftfreq(length, 1 / RATE)
    spectrum[(pitch < VOICE_BAND[0]) | (pitch > VOICE_BAND[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, length)[: len(wave)], dtype=np.float64)


def _quick_length(least: int) -> int:
    return 1 << max(1, (least - 1).bit_length())


def _best_offset(ours: Wave, theirs: Wave) -> int:
    """By how many samples theirs is late. A turned sign is as good: some mixers turn it."""
    length = _quick_length(len(ours) + len(theirs))
    product = np.fft.rfft(theirs, length) * np.conj(np.fft.rfft(ours, length))
    matches = np.abs(np.fft.irfft(product, length))
    most = int(OFFSET_SECONDS * RATE)
    late, early = matches[: most + 1], matches[-most:]
    at = int(np.argmax(np.concatenate([early, late])))
    return at - most


def _windows(ours: Wave, theirs: Wave, offset: int) -> Iterator[float]:
    size, drift = int(WINDOW_SECONDS * RATE), int(DRIFT_SECONDS * RATE)
    margin = drift + int(OFFSET_SECONDS * RATE)
    behind = margin + max(0, len(ours) - len(theirs)) + size
    padded = np.concatenate([np.zeros(margin), theirs, np.zeros(behind)])
    loud = QUIET * _power(ours)
    for start in range(0, max(1, len(ours) - size // 2), size):
        window = ours[start : start + size]
        if _power(window) >= loud:
            first = margin + start + offset - drift
            yield _match(window, padded[first : first + len(window) + 2 * drift])


def _match(window: Wave, around: Wave) -> float:
    """The best normalised correlation of a window with its surroundings in the other recording."""
    length = _quick_length(len(around))
    spectrum = np.fft.rfft(around, length) * np.conj(np.fft.rfft(window, length))
    places = len(around) - len(window) + 1
    products = np.abs(np.fft.irfft(spectrum, length)[:places])
    sums = np.concatenate([[0.0], np.cumsum(around**2)])
    energy = float(np.sum(window**2))
    # Next to silence a rounding error would look like a perfect match.
    energies = np.maximum(sums[len(window) :] - sums[:places], 1e-3 * energy)
    return float(np.max(products / np.sqrt(energies * energy)))
