"""A file is what was bought, or every defect is named."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.checks import (
    NAMES,
    ClipFacts,
    Figures,
    Thresholds,
    understand_checks,
    verify,
    worst,
)
from omnihuman_blocks.errors import BadDelivery, CannotStart

AUDIO = Decimal("10.0")
GOOD = ClipFacts(
    size=100_000,
    frames=250,
    width=720,
    height=1280,
    video_seconds=Decimal("10.0"),
    sound_seconds=Decimal("10.02"),
    likeness=0.99,
    spoken_seconds=Decimal("7.5"),
    loudness_lufs=Decimal("-18.4"),
    audio_lufs=Decimal("-18.2"),
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"likeness": None},
        {"video_seconds": Decimal("10.9")},
        {"video_seconds": Decimal("9.8"), "sound_seconds": Decimal("9.8")},
        {"black_seconds": Decimal("0.3")},
        {"frozen_seconds": Decimal("2.9")},
        {"spoken_seconds": Decimal("0.4"), "frozen_seconds": Decimal("0.4")},
        {"silent_seconds": Decimal("0.4"), "strange_seconds": Decimal("1.5")},
        {"loudness_lufs": Decimal(-31)},
        {"loudness_lufs": None, "audio_lufs": None},
    ],
)
def test_a_good_file_passes(changes: dict[str, Any]) -> None:
    """Padding of encoders and silent rows are no defects."""
    verdict = verify(replace(GOOD, **changes), AUDIO)
    assert verdict.is_good
    verdict.enforce()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"broken": "end of file"}, "breaks off"),
        ({"frames": 0, "video_seconds": Decimal(0)}, "no picture"),
        ({"sound_seconds": Decimal(0)}, "no sound"),
        ({"video_seconds": Decimal("9.7")}, "picture lasts 9.70 s"),
        ({"video_seconds": Decimal("11.1")}, "picture lasts 11.10 s"),
        ({"sound_seconds": Decimal("5.0")}, "sound lasts 5.00 s"),
        ({"likeness": 0.054}, "not this row's audio"),
        ({"likeness": float("nan")}, "not this row's audio"),
        ({"likeness": 0.1, "strange_seconds": Decimal(9)}, r"audio \(likeness"),
        ({"strange_seconds": Decimal(2)}, "not this row's audio for 2.0 s in a row"),
        ({"silent_seconds": Decimal("0.7")}, "silent during 0.7 s of speech"),
        ({"black_seconds": Decimal("0.6")}, "black for 0.6 s"),
        ({"frozen_seconds": Decimal("3.1")}, "nothing moves in its picture during 3.1 s"),
        (
            {"spoken_seconds": Decimal(2), "frozen_seconds": Decimal("1.7")},
            "nothing moves in its picture during 1.7 s",
        ),
        ({"loudness_lufs": Decimal(-50)}, "32 LU quieter"),
        ({"loudness_lufs": Decimal(-2)}, "16 LU louder"),
    ],
)
def test_a_defect_is_named(changes: dict[str, Any], word: str) -> None:
    """One defect, one sentence; it is raised as a bad delivery."""
    verdict = verify(replace(GOOD, **changes), AUDIO)
    assert len(verdict.defects) == 1
    with pytest.raises(BadDelivery, match=word):
        verdict.enforce()


def test_long_videos_may_drift_a_little_more() -> None:
    """The tolerance grows with the length."""
    facts = replace(GOOD, video_seconds=Decimal("101.9"), sound_seconds=Decimal(100))
    assert verify(facts, Decimal(100)).is_good


BAD = replace(
    GOOD,
    video_seconds=Decimal(5),
    sound_seconds=Decimal(15),
    likeness=0.1,
    strange_seconds=Decimal(5),
    silent_seconds=Decimal(5),
    frozen_seconds=Decimal(5),
    black_seconds=Decimal(5),
    loudness_lufs=Decimal(-60),
)


def test_every_check_can_be_turned_off() -> None:
    """One after the other, until nothing is left to say; a file that breaks off always breaks."""
    off: dict[str, object] = {}
    defects = len(verify(BAD, AUDIO).defects)
    for name in NAMES:
        off[name] = " OFF "
        fewer = len(verify(BAD, AUDIO, understand_checks(off)).defects)
        assert fewer < defects or name in ("likeness", "strange")
        defects = fewer
    assert defects == 0
    assert not verify(replace(BAD, broken="cut"), AUDIO, understand_checks(off)).is_good


def test_a_threshold_is_named_and_numbered() -> None:
    """What is not named stays as it is."""
    assert understand_checks({}) == Thresholds()
    said = understand_checks({"black": "2", "loudness": 20})
    assert said == Thresholds(black=Decimal(2), loudness=Decimal(20))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"blak": "1"}, "no check `blak`. Known: shorter, longer,"),
        ({"black": "much"}, "Check `black` is 'much'. Write a number, such as black=0.5"),
        ({"black": "-1"}, "black=off"),
        ({"black": "inf"}, "black=off"),
    ],
)
def test_a_check_that_means_nothing_cannot_start(said: dict[str, object], words: str) -> None:
    """What, and what to write instead."""
    with pytest.raises(CannotStart, match=words):
        understand_checks(said)


def test_figures_say_what_was_seen_and_come_back_as_they_were() -> None:
    """The ledger keeps texts; the catalogue numbers."""
    seen = Figures.of(GOOD, verify(GOOD, AUDIO))
    assert (seen.verdict, seen.likeness) == ("good", Decimal("0.99"))
    assert Figures.from_json(seen.as_json()) == seen
    bad = Figures.of(replace(BAD, likeness=None), verify(BAD, AUDIO))
    assert (bad.verdict, bad.likeness) == ("rejected", None)
    assert Figures.from_json(bad.as_json()) == bad
    assert Figures.from_json(None) is None


def test_of_several_parts_the_worst_is_told() -> None:
    """A row is as good as its worst part; of a part that nobody saw nobody can tell."""
    good = Figures.of(GOOD, verify(GOOD, AUDIO))
    bad = Figures.of(BAD, verify(BAD, AUDIO))
    silent = Figures(verdict="good")
    assert worst([good]) == good
    assert worst([]) is None
    assert worst([good, None]) is None
    told = worst([good, bad, silent])
    assert told is not None
    assert (told.verdict, told.likeness) == ("rejected", bad.likeness)
    assert (told.loudness_lufs, told.black_seconds) == (Decimal(-60), Decimal(5))
    assert worst([good, silent]) == good
    assert worst([silent, silent]) == silent
