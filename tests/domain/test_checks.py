"""A file is what was bought, or every defect is named."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.checks import ClipFacts, verify
from omnihuman_blocks.errors import BadDelivery

AUDIO = Decimal("10.0")
GOOD = ClipFacts(
    size=100_000,
    frames=250,
    width=720,
    height=1280,
    video_seconds=Decimal("10.0"),
    sound_seconds=Decimal("10.02"),
    likeness=0.99,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"likeness": None},
        {"video_seconds": Decimal("10.9")},
        {"video_seconds": Decimal("9.8"), "sound_seconds": Decimal("9.8")},
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
    ],
)
def test_a_defect_is_named(changes: dict[str, Any], word: str) -> None:
    """One defect, one sentence; it is raised as a bad delivery."""
    verdict = verify(replace(GOOD, **changes), AUDIO)
    assert len(verdict.defects) == 1
    assert word in verdict.defects[0]
    with pytest.raises(BadDelivery, match=word):
        verdict.enforce()


def test_long_videos_may_drift_a_little_more() -> None:
    """The tolerance grows with the length."""
    facts = replace(GOOD, video_seconds=Decimal("101.9"), sound_seconds=Decimal(100))
    assert verify(facts, Decimal(100)).is_good
