"""What a row speaks, once it is known: one sound, or several that follow each other.

A recording that fits is its own single stretch and needs none of this. Text that was spoken, and
audio that was cut because no vendor takes it whole, come as stretches: each is a job of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from omnihuman_blocks.domain.job import Media


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A sound of its own, and where in the row's whole speech it begins."""

    audio: Media
    start_seconds: Decimal

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
