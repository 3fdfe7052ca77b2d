"""Rows that speak in several stretches: a job for each, one line, and money that adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.advice import each_resolution
from omnihuman_blocks.domain.catalogue import catalogue_line, row_state
from omnihuman_blocks.domain.identity import clip_key
from omnihuman_blocks.domain.job import JobKey, Media, MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.outcome import Clip, JobOutcome, RowState
from omnihuman_blocks.domain.planned import PlannedRow, Verdict
from omnihuman_blocks.domain.planning import judge
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.domain.voiced import Stretch, Voiced, in_order
from omnihuman_blocks.errors import BadDelivery, InvalidRow

Make = Callable[..., Any]
SPOKEN = {"audio_uri": None, "text": "One. Two."}
CLIP = Clip(uri="videos/x.mp4", sha256="f" * 64, size=9, width=4, height=2, seconds=Decimal(35))
CHARGED = Charge(usd=Decimal("2.00"), basis=CostBasis.REPORTED)


def stretch(number: int, seconds: int) -> Media:
    return Media(
        kind=MediaKind.AUDIO,
        uri=f"/out/speech/{number}.wav",
        sha256=f"{number:064}",
        size=1,
        format="wav",
        seconds=Decimal(seconds),
        source=f"speech:{number}",
    )


def voiced(*seconds: int, notes: tuple[str, ...] = ()) -> Voiced:
    sounds = (Stretch(audio=stretch(number, one)) for number, one in enumerate(seconds))
    return Voiced(stretches=in_order(sounds), notes=notes)


@pytest.fixture
def row(make_row: Make, make_plan: Make) -> PlannedRow:
    """Of two parts."""
    (planned,) = make_plan(make_row(**SPOKEN), voiced={0: voiced(20, 15, notes=("In two.",))}).rows
    assert isinstance(planned, PlannedRow)
    return planned


def test_each_stretch_is_a_job_and_the_row_is_their_sum(row: PlannedRow) -> None:
    assert [(part.start_seconds, part.seconds) for part in row.parts] == [
        (Decimal(0), Decimal(20)),
        (Decimal(20), Decimal(15)),
    ]
    assert len({part.job.key for part in row.parts}) == 2
    assert row.clip_key == clip_key([part.job.key for part in row.parts])
    assert (row.seconds, row.quote) == (Decimal(35), Decimal("5.60"))
    assert row.notes[0] == "In two."


def test_a_key_knows_the_recipe_and_not_the_bytes(
    row: PlannedRow, make_row: Make, make_plan: Make
) -> None:
    """A voice that says it otherwise another time must not buy it again."""
    first = voiced(20).stretches[0]
    other = replace(first, audio=replace(first.audio, sha256="e" * 64, size=2))
    (again,) = make_plan(make_row(**SPOKEN), voiced={0: Voiced(stretches=(other,))}).rows
    assert again.parts[0].job.key == row.parts[0].job.key


def test_text_that_cannot_be_spoken_rejects_its_row(make_row: Make, make_plan: Make) -> None:
    problem = InvalidRow("`text` is Klingon. Write it in another language.", "text")
    (line,) = make_plan(make_row(**SPOKEN), voiced={0: problem}).rows
    (rejection,) = line.rejections
    assert rejection.column == "text"
    assert rejection.message.startswith("`text` is Klingon.")


def test_a_row_whose_wishes_are_wrong_is_not_told_that_it_is_silent(
    make_row: Make, make_plan: Make
) -> None:
    """It was not voiced because nobody knows how long it may be."""
    wrong = make_row(**SPOKEN, wishes={"resolution": "4k"})
    (line,) = make_plan(wrong, voiced={0: Voiced(stretches=())}).rows
    assert [one.column for one in line.rejections] == ["resolution"]


def test_what_is_known_is_known_for_each_part(row: PlannedRow, make_plan: Make) -> None:
    """An edited sentence leaves the other parts done."""
    first = row.parts[0].job.key
    plan = replace(make_plan(), rows=(row,))
    judged = judge(plan, {first: JobOutcome(stage=Stage.DONE, clip=CLIP)})
    (line,) = judged.rows
    assert [part.verdict for part in line.parts] == [Verdict.DONE, Verdict.NEW]
    assert line.verdict is Verdict.NEW
    assert [part.quote for part in judged.to_buy()] == [Decimal("2.40")]


def done(row: PlannedRow) -> dict[JobKey, JobOutcome]:
    outcome = JobOutcome(stage=Stage.DONE, attempt=1, charge=CHARGED, clip=CLIP)
    return {part.job.key: outcome for part in row.parts}


def test_a_row_is_done_when_its_parts_are_joined(row: PlannedRow) -> None:
    line = catalogue_line(row, done(row), CLIP)
    assert (line.state, line.video_uri, line.cost_usd) == ("done", CLIP.uri, Decimal("4.00"))
    assert [part.state for part in line.parts] == ["done", "done"]


def test_parts_that_are_not_joined_yet_are_on_their_way(row: PlannedRow) -> None:
    line = catalogue_line(row, done(row))
    assert (line.state, line.video_uri, line.error_class) == ("pending", None, None)


def test_parts_that_cannot_be_joined_are_told_and_kept(row: PlannedRow) -> None:
    why = BadDelivery("The 2 parts are here and could not be joined.")
    line = catalogue_line(row, done(row), why)
    assert (line.state, line.error_class, line.error_message) == (
        *("failed", "BadDelivery"),
        str(why),
    )
    assert [part.state for part in line.parts] == ["done", "done"]
    assert line.cost_usd == Decimal("4.00")


def test_a_part_that_failed_leaves_the_other_bought(row: PlannedRow) -> None:
    outcomes = done(row)
    outcomes[row.parts[1].job.key] = JobOutcome(
        stage=Stage.FAILED, attempt=1, error_class="Refused", error_message="No."
    )
    line = catalogue_line(row, outcomes, BadDelivery("never"))
    assert (line.state, line.error_class) == ("failed", "Refused")
    assert [part.state for part in line.parts] == ["done", "failed"]
    assert row_state(row, outcomes) is RowState.FAILED


def test_every_resolution_is_looked_at(make_offer: Make) -> None:
    options, _ = make_offer().options.understand({})
    assert [one.content()["resolution"] for one in each_resolution(options)] == [
        "1080p",
        "720p",
        "1080p",
    ]
    assert list(each_resolution(Options())) == [Options()]
