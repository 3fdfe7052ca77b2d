"""A line of the catalogue follows from the plan and the ledger, and its money adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.catalogue import catalogue_line, catalogue_lines, row_state
from omnihuman_blocks.domain.identity import clip_key
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import Clip, JobOutcome, RowState, state_of, together
from omnihuman_blocks.domain.planned import PlannedRow
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.domain.row import RejectedRow, Rejection

Make = Callable[..., Any]
CLIP = Clip(uri="videos/x.mp4", sha256="f" * 64, size=9, width=4, height=2, seconds=Decimal(10))
REPORTED = Charge(usd=Decimal("1.50"), basis=CostBasis.REPORTED)
WHEN = datetime(2026, 9, 1, tzinfo=UTC)


def only_key(row: PlannedRow) -> JobKey:
    return row.parts[0].job.key


def test_a_done_row_shows_its_video_and_what_it_cost(make_row: Make, make_plan: Make) -> None:
    """Everything that the ledger knows of its job."""
    (row,) = make_plan(make_row(wishes={"seed": 1})).rows
    outcome = JobOutcome(
        stage=Stage.DONE,
        attempt=2,
        ticket="t-1",
        submitted_at=WHEN,
        finished_at=WHEN,
        queue_seconds=Decimal(3),
        generate_seconds=Decimal(40),
        charge=REPORTED,
        clip=CLIP,
        seed=7,
        flow_run_id="run",
    )
    line = catalogue_line(row, {only_key(row): outcome})
    assert (line.state, line.video_uri, line.video_bytes) == ("done", "videos/x.mp4", 9)
    assert (line.width, line.height, line.video_seconds) == (4, 2, Decimal(10))
    assert (line.quote_usd, line.cost_usd, line.cost_basis) == (
        Decimal("1.6"),
        Decimal("1.50"),
        "reported",
    )
    assert (line.ticket, line.attempts, line.seed) == ("t-1", 2, 7)
    assert (line.ignored, line.reused, line.error_class) == (("seed",), False, None)
    assert (line.submitted_at, line.finished_at, line.flow_run_id) == (WHEN, WHEN, "run")
    (part,) = line.parts
    assert (part.job_key, part.cost_usd, part.state) == (line.clip_key, Decimal("1.50"), "done")


def test_the_cost_of_a_shared_job_stands_in_one_row(make_row: Make, make_plan: Make) -> None:
    """The sum of the column is what was charged."""
    rows = make_plan(make_row(), make_row(script_id="b")).rows
    outcomes = {only_key(rows[0]): JobOutcome(stage=Stage.DONE, charge=REPORTED, clip=CLIP)}
    first, second = catalogue_lines(rows, outcomes)
    assert (first.cost_usd, second.cost_usd) == (Decimal("1.50"), Decimal(0))
    assert (second.cost_basis, second.reused, second.state) == ("not_charged", True, "done")
    assert second.parts[0].cost_usd == Decimal("1.50")


@pytest.mark.parametrize(
    ("outcome", "state", "cost", "basis"),
    [
        (JobOutcome(stage=Stage.OPEN), "pending", Decimal(0), "not_charged"),
        (JobOutcome(stage=Stage.OPEN, is_blocked=True), "blocked", Decimal(0), "not_charged"),
        (JobOutcome(stage=Stage.INTENDED, is_owned=True), "pending", None, "unknown"),
        (JobOutcome(stage=Stage.IN_DOUBT), "in_doubt", None, "unknown"),
        (JobOutcome(stage=Stage.ACCEPTED), "pending", None, "unknown"),
        (JobOutcome(stage=Stage.DONE, charge=REPORTED), "pending", Decimal("1.50"), "reported"),
        (JobOutcome(stage=Stage.SPOILED, charge=REPORTED), "failed", Decimal("1.50"), "reported"),
    ],
)
def test_what_is_not_known_is_unknown_and_never_zero(
    make_row: Make, make_plan: Make, outcome: JobOutcome, state: str, *, cost: Any, basis: str
) -> None:
    """Only what was never sent is known to cost nothing."""
    (row,) = make_plan(make_row()).rows
    line = catalogue_line(row, {only_key(row): outcome})
    assert (line.state, line.cost_usd, line.cost_basis) == (state, cost, basis)
    assert line.video_uri is None


def test_a_failed_row_says_what_went_wrong(make_row: Make, make_plan: Make) -> None:
    """By the class of the error and its words; a state without a word has none."""
    (row,) = make_plan(make_row()).rows
    outcome = JobOutcome(stage=Stage.FAILED, error_class="Refused", error_message="No faces.")
    line = catalogue_line(row, {only_key(row): outcome})
    assert (line.error_class, line.error_message) == ("Refused", "No faces.")
    silent = catalogue_line(row, {only_key(row): JobOutcome(stage=Stage.FAILED)})
    assert (silent.error_class, silent.error_message) == (None, None)
    late = replace(outcome, stage=Stage.DONE, clip=CLIP)
    assert catalogue_line(row, {only_key(row): late}).error_class is None


def test_a_rejected_row_has_a_line_with_every_reason(make_plan: Make) -> None:
    """And whatever is known of its identity."""
    reasons = tuple(
        Rejection(table="scripts", number=4, column=name, reason=f"No {name}.", remedy="Mend.")
        for name in ("locale", "text")
    )
    bad = RejectedRow(place=0, rejections=reasons, script_id="intro")
    line = catalogue_line(make_plan(bad).rows[0], {})
    assert (line.state, line.error_class) == ("rejected", "InvalidRow")
    assert line.error_message == "No locale. Mend.\nNo text. Mend."
    assert (line.script_id, line.locale, line.clip_key, line.audio_seconds) == (
        "intro",
        None,
        None,
        None,
    )
    assert (line.cost_usd, line.cost_basis, line.quote_usd, line.parts) == (
        Decimal(0),
        "not_charged",
        None,
        (),
    )


@pytest.fixture
def in_two(make_row: Make, make_plan: Make) -> PlannedRow:
    """A row whose audio is split into two jobs."""
    first, second = make_plan(make_row(), make_row(variant=2)).rows
    later = replace(second.parts[0], start_seconds=Decimal(10))
    row: PlannedRow = replace(first, parts=(first.parts[0], later))
    return row


def test_a_row_of_several_parts_adds_them_up(in_two: PlannedRow) -> None:
    """Its clip has a name of its own; ticket and attempts are the last part's."""
    one, two = (part.job.key for part in in_two.parts)
    outcomes = {
        one: JobOutcome(stage=Stage.DONE, charge=REPORTED, clip=CLIP, ticket="t-1", attempt=1),
        two: JobOutcome(
            stage=Stage.DONE,
            charge=Charge(usd=Decimal(2), basis=CostBasis.DURATION),
            clip=CLIP,
            ticket="t-2",
            attempt=3,
        ),
    }
    joined = replace(CLIP, uri="videos/joined.mp4")
    (line,) = catalogue_lines([in_two], outcomes, {clip_key([one, two]): joined})
    assert (line.clip_key, line.video_uri) == (clip_key([one, two]), "videos/joined.mp4")
    assert (line.ticket, line.attempts, line.audio_seconds) == ("t-2", 3, Decimal(20))
    assert (line.cost_usd, line.cost_basis, line.quote_usd) == (
        Decimal("3.50"),
        "duration",
        Decimal("3.2"),
    )
    assert [part.start_seconds for part in line.parts] == [0, 10]


def test_parts_that_are_not_joined_yet_are_pending(in_two: PlannedRow) -> None:
    """A row is done when its own video is there."""
    outcomes = {part.job.key: JobOutcome(stage=Stage.DONE, clip=CLIP) for part in in_two.parts}
    assert row_state(in_two, outcomes) is RowState.PENDING
    assert row_state(in_two, outcomes, CLIP) is RowState.DONE


def test_the_part_that_needs_a_person_speaks_for_the_row(in_two: PlannedRow) -> None:
    """Its state and its words."""
    one, two = (part.job.key for part in in_two.parts)
    outcomes = {
        one: JobOutcome(stage=Stage.DONE, clip=CLIP),
        two: JobOutcome(stage=Stage.IN_DOUBT, error_class="InDoubt", error_message="Lost."),
    }
    line = catalogue_line(in_two, outcomes)
    assert (line.state, line.error_class, line.error_message) == ("in_doubt", "InDoubt", "Lost.")


def test_states_of_parts_are_judged_by_what_needs_a_person_most() -> None:
    """Whatever comes first in the row."""
    order = [
        RowState.IN_DOUBT,
        RowState.FAILED,
        RowState.BLOCKED,
        RowState.PENDING,
        RowState.PLANNED,
        RowState.DONE,
    ]
    for position, state in enumerate(order):
        assert state_of(reversed(order[position:])) is state


def test_charges_together_are_as_uncertain_as_the_least_certain() -> None:
    """And unknown where one of them is."""
    unknown = Charge(usd=None, basis=CostBasis.UNKNOWN)
    free = Charge(usd=Decimal(0), basis=CostBasis.NOT_CHARGED)
    assert together([None]) is None
    assert together([REPORTED, None, free]) == REPORTED
    assert together([free]) == free
    assert together([REPORTED, unknown]) == unknown
