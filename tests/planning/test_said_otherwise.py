"""Words that are said otherwise than in a video that is there: the plan says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import JobOutcome
from omnihuman_blocks.domain.planning import judge
from omnihuman_blocks.domain.speech import Before
from omnihuman_blocks.domain.voiced import Stretch, Voiced

Make = Callable[..., Any]
MADE = JobOutcome(stage=Stage.DONE, finished_at=datetime(2026, 3, 4, tzinfo=UTC))


def spoken(source: str, *before: str) -> Voiced:
    audio = Media(
        kind=MediaKind.AUDIO,
        uri="/out/speech/x.wav",
        sha256="a" * 64,
        size=1,
        format="wav",
        seconds=Decimal(10),
        source=source,
    )
    said = tuple(Before(identity=one, difference=f"not {one}") for one in before)
    return Voiced(stretches=(Stretch(audio=audio, before=said),))


@pytest.fixture
def make_spoken(make_row: Make, make_plan: Make) -> Make:
    return lambda *recipes, **other: make_plan(
        make_row(audio_uri=None, text="Hello"), voiced={0: spoken(*recipes)}, **other
    )


def test_the_video_of_other_words_is_named_with_its_date_and_the_price(make_spoken: Make) -> None:
    """The latest that was made; one that was only spoken is no video."""
    (then,) = make_spoken("speech:2").jobs
    planned = make_spoken("speech:4", "speech:3", "speech:2", "speech:1")
    (row,) = judge(planned, {}, before={then: MADE}).rows
    (note,) = row.notes
    assert note == (
        "It is said otherwise than in the video of 2026-03-04: not speech:2. "
        "Buying it again costs $1.60."
    )


def test_where_there_is_none_or_nothing_is_bought_nothing_is_said(
    make_spoken: Make, make_offer: Make
) -> None:
    """Nor of one that failed; a price that nobody knows is not made up."""
    (then,) = make_spoken("speech:2").jobs
    planned = make_spoken("speech:4", "speech:2")
    (now,) = planned.jobs
    assert judge(planned, {}).rows[0].notes == ()
    assert judge(planned, {}, before={then: JobOutcome(stage=Stage.FAILED)}).rows[0].notes == ()
    assert judge(planned, {now: MADE}, before={then: MADE}).rows[0].notes == ()
    unpriced = make_spoken("speech:4", "speech:2", offers={"fal": make_offer(price=None)})
    (row,) = judge(unpriced, {}, before={then: MADE}).rows
    assert row.notes[0].endswith("Buying it again costs a price that is not known.")
