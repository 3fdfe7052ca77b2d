"""What a row speaks, once it is known: one sound, or several that follow each other.

A recording that fits is its own single stretch and needs none of this. Text that was spoken, and
audio that was cut because no vendor takes it whole, come as stretches: each is a job of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from omnihuman_blocks.domain.job import Media
from omnihuman_blocks.domain.speech import Before, Word


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A sound of its own, and where in the row's whole speech it begins."""

    audio: Media
    start_seconds: Decimal = Decimal(0)
    text: str | None = None
    """What is said in it, where that is known."""
    words: tuple[Word, ...] = ()
    """When each word is heard, counted from the beginning of this stretch."""
    before: tuple[Before, ...] = ()
    """How else its text was spoken here."""

    @property
    def seconds(self) -> Decimal:
        """How long it lasts."""
        return self.audio.seconds or Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Voiced:
    """All of a row's speech, in order."""

    stretches: tuple[Stretch, ...]
    notes: tuple[str, ...] = ()
    """What is worth saying about it in the plan."""


def in_order(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Each begins where the one before it ends."""
    placed, start = [], Decimal(0)
    for stretch in stretches:
        placed.append(replace(stretch, start_seconds=start))
        start += stretch.seconds
    return tuple(placed)
