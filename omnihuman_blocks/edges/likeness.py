"""Two recordings -> how much the one sounds in the other.

Compared by waveform and not by loudness over time: the same voice reading another sentence rises
and falls alike, but its waves never match. A clip's sound has gone through codecs, rates and
mixers, so offset, drift, volume and sign are free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
ALIKE = 0.5
"""A window below it is another sound."""
FRAME_SECONDS = 0.05
MUTE = 1e-4
"""This much of the usual power and less is silence: 40 dB below the voice."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two recordings laid upon each other where they fit best."""

    likeness: float | None
    """None where ours is silent."""
    strange_seconds: float = 0.0
    """The longest stretch of ours that is not in theirs."""
    silent_seconds: float = 0.0
    """How much of our speech falls into the longest silence of theirs."""


def waveform(source: Source, demuxers: str = DEMUXERS) -> Wave:
    """The sound as one channel at a low rate, as far as it can be decoded."""
    try:
        with open_media(source, demuxers) as container:
            pieces = list(_resampled(container))
    except (av.FFmpegError, IndexError):
        pieces = []
    return np.concatenate(pieces).astype(np.float64) if pieces else np.zeros(0)


def resampler() -> av.AudioResampler:
    """Makes one channel at our rate of any sound."""
    return av.AudioResampler(format="flt", layout="mono", rate=RATE)


def _resampled(container: InputContainer) -> Iterator[NDArray[np.float32]]:
    ours = resampler()
    for packet in container.demux(audio=0):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)  # noqa: S101 - a sound stream has no other
            for piece in ours.resample(frame):
                yield piece.to_ndarray()[0]
    for piece in ours.resample(None):
        yield piece.to_ndarray()[0]


def likeness(ours: Wave, theirs: Wave) -> float | None:
    """How much a recording sounds in another, 0 to 1; None where ours is silent."""
    return compare(ours, theirs).likeness


def compare(ours: Wave, theirs: Wave) -> Comparison:
    """How much of a recording sounds in another.

    Both are laid upon each other where they fit best and compared in windows of half a second,
    each of which may have drifted a little. Likeness is that of the worst tenth: two recordings
    that differ in one name only are not alike, and a crackle does not make them different.
    """
    ours, theirs = _voice(ours), _voice(theirs)
    if not ours.size or _power(ours) < SILENT**2:
        return Comparison(likeness=None)
    spoken = speech(ours)
    if not theirs.size or _power(theirs) < SILENT**2:
        everything = len(ours) / RATE
        return Comparison(
            likeness=0.0,
            strange_seconds=everything,
            silent_seconds=spoken_within(spoken, 0.0, everything),
        )
    offset = _best_offset(ours, theirs)
    matches = list(_windows(ours, theirs, offset))
    return Comparison(
        likeness=float(np.quantile(matches, WORST)),
        strange_seconds=WINDOW_SECONDS * _longest_run(np.array(matches) < ALIKE),
        silent_seconds=_longest_silence(spoken, theirs, offset),
    )


def speech(wave: Wave) -> NDArray[np.bool_]:
    """Where somebody speaks, in frames of a twentieth of a second."""
    powers = _powers(wave)
    return np.asarray(powers >= max(QUIET * _power(wave), SILENT**2)) if len(powers) else powers > 0


def spoken_within(spoken: NDArray[np.bool_], start: float, end: float) -> float:
    """How many seconds of speech lie between two moments."""
    first, last = (max(0, round(moment / FRAME_SECONDS)) for moment in (start, end))
    return float(np.count_nonzero(spoken[first:last])) * FRAME_SECONDS


def _powers(wave: Wave) -> Wave:
    size = int(FRAME_SECONDS * RATE)
    frames = len(wave) // size
    return np.asarray(np.mean(wave[: frames * size].reshape(frames, size) ** 2, axis=1))


def _longest_silence(spoken: NDArray[np.bool_], theirs: Wave, offset: int) -> float:
    """The most speech that falls into one silence. What speaks there is what ours says there."""
    shifted = theirs[offset:] if offset >= 0 else np.concatenate([np.zeros(-offset), theirs])
    heard = np.zeros(len(spoken))
    powers = _powers(shifted)[: len(spoken)]
    heard[: len(powers)] = powers
    loud = float(np.mean(heard[spoken])) if spoken.any() else 0.0
    is_mute = heard <= MUTE * loud
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_mute, [False]]).astype(np.int8)))
    lost = [np.count_nonzero(spoken[a:b]) for a, b in edges.reshape(-1, 2).tolist()]
    return float(max(lost, default=0)) * FRAME_SECONDS


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int(np.max(np.diff(edges.reshape(-1, 2), axis=1), initial=0))


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
