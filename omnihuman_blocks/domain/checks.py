"""Facts about a delivered file -> is this the video that was paid for?

The facts come from decoding the whole file: a header alone is believed by nobody here. Where a
difference begins to matter stands in `Thresholds`, and whoever knows better says so by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation

from omnihuman_blocks.domain.wire import Json, Record
from omnihuman_blocks.errors import BadDelivery, CannotStart

OFF = "off"


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What decoding a delivered file to its end has shown.

    Stretches are counted only where this row's audio speaks: a pause may be as still and as silent
    as it likes.
    """

    size: int
    frames: int
    width: int
    height: int
    video_seconds: Decimal
    sound_seconds: Decimal
    likeness: float | None
    """How much its sound is this row's audio, 0 to 1; None where that audio is silent."""
    strange_seconds: Decimal = Decimal(0)
    """The longest stretch in which another sound is heard than the audio's, or none."""
    silent_seconds: Decimal = Decimal(0)
    """How much of the audio falls into the longest stretch without any sound."""
    frozen_seconds: Decimal = Decimal(0)
    """How much of the audio falls into the longest stretch in which nothing moves."""
    spoken_seconds: Decimal = Decimal(0)
    """How long the row's audio speaks, without its pauses."""
    black_seconds: Decimal = Decimal(0)
    """The longest black stretch, whether anybody speaks or not."""
    loudness_lufs: Decimal | None = None
    """None where there is nothing to hear."""
    audio_lufs: Decimal | None = None
    """The same of the row's own audio."""
    broken: str | None = None
    """Why decoding stopped before the end."""


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where a difference begins to matter; None: it never does. Each can be set by its name."""

    shorter: Decimal | None = Decimal("0.25")
    """Seconds that picture or sound may be shorter than the audio."""
    longer: Decimal | None = Decimal("1.0")
    """Seconds that they may be longer: encoders pad. Two hundredths of long audio are always
    allowed."""
    likeness: Decimal | None = Decimal("0.5")
    """How much the sound must be this row's audio, 0 to 1."""
    strange: Decimal | None = Decimal("1.5")
    """Seconds in a row in which it may be another sound."""
    silence: Decimal | None = Decimal("0.5")
    """Seconds of speech that may be missing in one place."""
    loudness: Decimal | None = Decimal(15)
    """Units (LU) by which it may be louder or quieter than the audio."""
    black: Decimal | None = Decimal("0.5")
    """Seconds in a row in which the picture may be black."""
    frozen: Decimal | None = Decimal(3)
    """Seconds of speech in a row during which nothing may move."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the checks saw, for people and programs: column `checks` of the catalogue."""

    verdict: str
    """`good`, or `rejected`."""
    likeness: Decimal | None = None
    strange_seconds: Decimal | None = None
    silent_seconds: Decimal | None = None
    frozen_seconds: Decimal | None = None
    black_seconds: Decimal | None = None
    loudness_lufs: Decimal | None = None
    audio_lufs: Decimal | None = None

    @classmethod
    def of(cls, facts: ClipFacts, verdict: Verdict) -> Figures:
        """Facts in the words of the catalogue."""
        likeness = facts.likeness
        return cls(
            verdict=GOOD if verdict.is_good else REJECTED,
            likeness=None if likeness is None else round(Decimal(likeness), 4),
            strange_seconds=facts.strange_seconds,
            silent_seconds=facts.silent_seconds,
            frozen_seconds=facts.frozen_seconds,
            black_seconds=facts.black_seconds,
            loudness_lufs=facts.loudness_lufs,
            audio_lufs=facts.audio_lufs,
        )

    def as_json(self) -> Record:
        """As the ledger keeps it: numbers are exact texts."""
        cells = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in cells.items() if value is not None}

    @classmethod
    def from_json(cls, kept: Json) -> Figures | None:
        """What the ledger kept; None where it kept nothing."""
        if not isinstance(kept, dict):
            return None
        numbers = {name: Decimal(str(kept[name])) for name in NUMBERS if name in kept}
        return cls(verdict=str(kept.get("verdict", GOOD)), **numbers)


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


GOOD, REJECTED = "good", "rejected"
NUMBERS = tuple(field.name for field in fields(Figures) if field.name != "verdict")
DEFAULT_THRESHOLDS = Thresholds()
NAMES = tuple(field.name for field in fields(Thresholds))
LONGER_SHARE = Decimal("0.02")
FROZEN_SHARE = Decimal("0.8")
"""A short clip that stands still during so much of its speech is frozen, too."""
LEAST_SPOKEN = Decimal("0.5")
"""So little speech says nothing about whether somebody moves while speaking."""


def understand_checks(said: Mapping[str, object]) -> Thresholds:
    """`black=off`, `loudness=20`: the thresholds of an invocation; `CannotStart` for others."""
    given: dict[str, Decimal | None] = {}
    for name, value in said.items():
        if name not in NAMES:
            raise CannotStart(f"There is no check `{name}`. Known: {', '.join(NAMES)}.")
        given[name] = _threshold(name, str(value).strip())
    return Thresholds(**given)


def _threshold(name: str, written: str) -> Decimal | None:
    if written.lower() == OFF:
        return None
    try:
        number = Decimal(written)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number < 0:
        raise CannotStart(
            f"Check `{name}` is {written!r}. Write a number, such as {name}="
            f"{getattr(DEFAULT_THRESHOLDS, name)}, or {name}={OFF}."
        )
    return number


def verify(
    facts: ClipFacts, audio_seconds: Decimal, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> Verdict:
    """Every defect of a delivered file, measured against the audio that it was made from."""
    return Verdict(defects=tuple(_defects(facts, audio_seconds, thresholds)))


def _defects(facts: ClipFacts, audio: Decimal, limits: Thresholds) -> Iterator[str]:
    if facts.broken is not None:
        yield f"the file breaks off while decoding: {facts.broken}"
    if facts.frames == 0:
        yield "it has no picture"
    else:
        yield from _length_defects("picture", facts.video_seconds, audio, limits)
        yield from _picture_defects(facts, limits)
    if facts.sound_seconds <= 0:
        yield "it has no sound"
    else:
        yield from _length_defects("sound", facts.sound_seconds, audio, limits)
        yield from _sound_defects(facts, limits)


def _length_defects(
    what: str, seconds: Decimal, audio: Decimal, limits: Thresholds
) -> Iterator[str]:
    is_short = limits.shorter is not None and seconds < audio - limits.shorter
    is_long = limits.longer is not None and seconds > audio + max(
        limits.longer, audio * LONGER_SHARE
    )
    if is_short or is_long:
        yield f"its {what} lasts {seconds:.2f} s where the audio lasts {audio:.2f} s"


def _picture_defects(facts: ClipFacts, limits: Thresholds) -> Iterator[str]:
    if limits.black is not None and facts.black_seconds > limits.black:
        yield f"its picture is black for {facts.black_seconds:.1f} s"
    if limits.frozen is None or facts.spoken_seconds < LEAST_SPOKEN:
        return
    if facts.frozen_seconds > min(limits.frozen, FROZEN_SHARE * facts.spoken_seconds):
        yield f"nothing moves in its picture during {facts.frozen_seconds:.1f} s of speech"


def _sound_defects(facts: ClipFacts, limits: Thresholds) -> Iterator[str]:
    wrong = _unlike(facts, limits) or _strange(facts, limits)
    for defect in (wrong, _silent(facts, limits), _loud(facts, limits)):
        if defect is not None:
            yield defect


def _unlike(facts: ClipFacts, limits: Thresholds) -> str | None:
    if limits.likeness is None or facts.likeness is None:
        return None
    if facts.likeness >= float(limits.likeness):  # a likeness that is no number is none
        return None
    return (
        f"its sound is not this row's audio (likeness {facts.likeness:.2f}, "
        f"at least {limits.likeness:.2f} is needed)"
    )


def _strange(facts: ClipFacts, limits: Thresholds) -> str | None:
    if limits.strange is None or facts.strange_seconds <= limits.strange:
        return None
    return f"its sound is not this row's audio for {facts.strange_seconds:.1f} s in a row"


def _silent(facts: ClipFacts, limits: Thresholds) -> str | None:
    if limits.silence is None or facts.silent_seconds <= limits.silence:
        return None
    return f"it is silent during {facts.silent_seconds:.1f} s of speech"


def _loud(facts: ClipFacts, limits: Thresholds) -> str | None:
    ours, theirs = facts.audio_lufs, facts.loudness_lufs
    if limits.loudness is None or ours is None or theirs is None:
        return None
    if abs(theirs - ours) <= limits.loudness:
        return None
    word = "quieter" if theirs < ours else "louder"
    return f"it is {abs(theirs - ours):.0f} LU {word} than this row's audio ({theirs:.0f} LUFS)"


def worst(figures: Iterable[Figures | None]) -> Figures | None:
    """Several clips as one row: the worst of each. None where one of them was never looked at."""
    seen = list(figures)
    known = [one for one in seen if one is not None]
    if not known or len(known) < len(seen):
        return None
    if len(known) == 1:
        return known[0]
    loudest = max(known, key=_change)
    return Figures(
        verdict=REJECTED if any(one.verdict == REJECTED for one in known) else GOOD,
        likeness=min((one.likeness for one in known if one.likeness is not None), default=None),
        loudness_lufs=loudest.loudness_lufs,
        audio_lufs=loudest.audio_lufs,
        **{name: _most(known, name) for name in NUMBERS if name.endswith("_seconds")},
    )


def _most(known: Iterable[Figures], name: str) -> Decimal | None:
    values: list[Decimal | None] = [getattr(one, name) for one in known]
    return max((value for value in values if value is not None), default=None)


def _change(one: Figures) -> Decimal:
    """By how much a clip is louder or quieter than its audio."""
    if one.loudness_lufs is None or one.audio_lufs is None:
        return Decimal(-1)
    return abs(one.loudness_lufs - one.audio_lufs)
