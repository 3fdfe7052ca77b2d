"""How long speech is cut into stretches that fit: where, and how many.

A cut costs something to look at, so there are as few as can be, where they are heard least, and
the stretches between them are about as long as each other: never a tail of two words. The same
choice serves recordings (whose places are pauses) and texts (whose places are sentence ends).
Everything is counted in whole milliseconds and whole costs, so that every machine cuts alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from omnihuman_blocks.domain.identity import canonical
from omnihuman_blocks.domain.limits import Limits

VERSION = "omnihuman-cut/1"
"""Enters the identity of a stretch that was cut from a recording."""
MARGIN = Decimal("0.5")
"""Stretches stay so much below a limit: vendors and decoders count differently."""

SEAM = 500
"""What every stretch costs by being one more."""
UNEVEN = 4_000
"""What a stretch costs that is nothing, or twice as long as it should be."""

WORST_PAUSE = 800
"""A pause that can just be told from a stop consonant."""
GOOD_PAUSE_MS, LEAST_PAUSE_MS = 700, 150
NO_PAUSE = 6_000
"""Right through somebody's words, where they are quietest."""
LOUD = 2_000
"""And more than that where it is not even quiet there."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How much speech one job can take at a vendor."""

    most: Decimal
    is_included: bool
    is_stated: bool
    """The vendor's own limit, and not only its advice."""

    @property
    def longest_ms(self) -> int:
        """How long a stretch may be."""
        return int((self.most - MARGIN) * 1000)

    def admits(self, seconds: Decimal) -> bool:
        """Whether speech of this length is taken whole."""
        return seconds <= self.most if self.is_included else seconds < self.most

    def has_room(self, seconds: Decimal) -> bool:
        """Whether a stretch of this length keeps the margin."""
        return seconds * 1000 <= self.longest_ms


def reach(limits: Limits, *, can_bring: bool) -> Reach | None:
    """None where speech of any length is one job.

    Advice counts where the vendor states no limit: a video that looks worse, or that is refused
    after all, costs more than a seam. But stretches are files of our own, so they must be able to
    be brought there.
    """
    if limits.audio_seconds is not None:
        included = limits.audio_seconds_included
        return Reach(most=limits.audio_seconds, is_included=included, is_stated=True)
    if limits.advised_audio_seconds is not None and can_bring:
        return Reach(most=limits.advised_audio_seconds, is_included=True, is_stated=False)
    return None


def cut_identity(whole: str, start_ms: int, end_ms: int | None) -> str:
    """What stands for a stretch of a recording in a job's key.

    Without an end it goes to the last sound, wherever a decoder finds that.
    """
    digest = hashlib.sha256(VERSION.encode() + b"\n" + canonical([whole, start_ms, end_ms]))
    return f"cut:{digest.hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cut could be, and how bad it would be: 0 is a good place."""

    at: int
    fault: int


def pause(start_ms: int, end_ms: int) -> Place:
    """The middle of a pause; a longer one is better."""
    length = min(end_ms - start_ms, GOOD_PAUSE_MS)
    lacking = (GOOD_PAUSE_MS - length) * WORST_PAUSE // (GOOD_PAUSE_MS - LEAST_PAUSE_MS)
    return Place(at=(start_ms + end_ms) // 2, fault=lacking)


def quiet(at_ms: int, loudness: int) -> Place:
    """A place without a pause. `loudness` goes from 0 to 100, of what is usual in the recording."""
    return Place(at=at_ms, fault=NO_PAUSE + LOUD * min(loudness, 100) // 100)


def cut(length: int, places: Sequence[Place], longest: int) -> list[int]:
    """The best cuts, as positions in `places`; none where all of it is one stretch.

    ValueError where two neighbouring places are farther apart than a stretch may be long.
    """
    if length <= longest:
        return []
    stops = [Place(at=0, fault=0), *places, Place(at=length, fault=0)]
    ideal = length // -(-length // longest)
    best: list[tuple[int, int]] = [(0, -1)]
    """The least cost up to each stop, and the stop before it."""
    first = 0
    for number, stop in enumerate(stops[1:], start=1):
        while stop.at - stops[first].at > longest:
            first += 1
        if first == number:
            raise ValueError(f"there is no place to cut before {stop.at} ms")
        costs = (
            (best[before][0] + _cost(stop.at - stops[before].at, ideal), before)
            for before in range(first, number)
        )
        cost, before = min(costs)
        best.append((cost + stop.fault, before))
    return sorted(stop - 1 for stop in _way_back(best))


def _cost(length: int, ideal: int) -> int:
    return SEAM + UNEVEN * (length - ideal) ** 2 // ideal**2


def _way_back(best: Sequence[tuple[int, int]]) -> Iterator[int]:
    stop = best[-1][1]
    while stop > 0:
        yield stop
        stop = best[stop][1]
