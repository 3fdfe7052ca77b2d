"""Facts about a delivered file -> is this the video that was paid for?

The facts come from decoding the whole file: a header alone is believed by nobody here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from omnihuman_blocks.errors import BadDelivery


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What decoding a delivered file to its end has shown."""

    size: int
    frames: int
    width: int
    height: int
    video_seconds: Decimal
    sound_seconds: Decimal
    likeness: float | None
    """How much its sound is this row's audio, 0 to 1; None where that audio is silent."""
    broken: str | None = None
    """Why decoding stopped before the end."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where a difference begins to matter. Encoders pad: a video may outlast its audio a little."""

    shorter_seconds: Decimal = Decimal("0.25")
    longer_seconds: Decimal = Decimal("1.0")
    longer_share: Decimal = Decimal("0.02")
    likeness: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is wrong with a file; nothing is wrong where there are no defects."""

    defects: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return not self.defects

    def enforce(self) -> None:
        """Raises `BadDelivery` with every defect."""
        if self.defects:
            raise BadDelivery("; ".join(self.defects))


DEFAULT_THRESHOLDS = Thresholds()


def verify(
    facts: ClipFacts, audio_seconds: Decimal, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> Verdict:
    """Every defect of a delivered file, measured against the audio that it was made from."""
    return Verdict(defects=tuple(_defects(facts, audio_seconds, thresholds)))


def _defects(facts: ClipFacts, audio: Decimal, thresholds: Thresholds) -> Iterator[str]:
    if facts.broken is not None:
        yield f"the file breaks off while decoding: {facts.broken}"
    if facts.frames == 0:
        yield "it has no picture"
    else:
        yield from _length_defects("picture", facts.video_seconds, audio, thresholds)
    if facts.sound_seconds <= 0:
        yield "it has no sound"
    else:
        yield from _length_defects("sound", facts.sound_seconds, audio, thresholds)
    if _is_unlike(facts, thresholds):
        yield (
            f"its sound is not this row's audio (likeness {facts.likeness:.2f}, "
            f"at least {thresholds.likeness:.2f} is needed)"
        )


def _is_unlike(facts: ClipFacts, thresholds: Thresholds) -> bool:
    if facts.sound_seconds <= 0 or facts.likeness is None:
        return False
    return not facts.likeness >= thresholds.likeness  # a likeness that is no number is none


def _length_defects(
    what: str, seconds: Decimal, audio: Decimal, thresholds: Thresholds
) -> Iterator[str]:
    longest = audio + max(thresholds.longer_seconds, audio * thresholds.longer_share)
    if seconds < audio - thresholds.shorter_seconds or seconds > longest:
        yield f"its {what} lasts {seconds:.2f} s where the audio lasts {audio:.2f} s"
