"""After a lost ledger: what the catalogue knows is enrolled, and nothing done is bought again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from omnihuman_blocks.domain.job import Job, JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import NOT_CHARGED, Charge, CostBasis
from omnihuman_blocks.edges.ledger import (
    Already,
    Clip,
    ErrorNote,
    Intended,
    Known,
    Ledger,
    Wish,
)
from omnihuman_blocks.edges.ledger.rebuild import PATHS

BOUGHT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIP = Clip(file="videos/x.mp4", sha256="d" * 64, size=99)
CHARGE = Charge(usd=Decimal("1.4"), basis=CostBasis.REPORTED)
DONE = Known(
    key=JobKey("k" * 64),
    provider="fal",
    model="omnihuman/v1.5",
    stage=Stage.DONE,
    audio_seconds=Decimal("9.5"),
    ticket_id="T",
    charge=CHARGE,
    clip=CLIP,
    submitted_at=BOUGHT,
    finished_at=BOUGHT,
)


def test_a_done_job_is_not_bought_again(
    ledger: Ledger, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """It is there with its clip, its ticket and its cost, and a wish is answered with it."""
    job = make_job()
    assert ledger.rebuild([replace(DONE, key=job.key)]) == 1
    answer = ledger.intend(make_wish(job))
    assert isinstance(answer, Already)
    state = answer.state
    assert (state.stage, state.clip, state.charge) == (Stage.DONE, CLIP, CHARGE)
    assert (state.submitted_at, state.charged_usd) == (BOUGHT, Decimal("1.4"))
    assert state.ticket is not None
    assert state.ticket.id == "T"
    spent = {c.scope: c.spent_usd for c in ledger.counters()}
    assert spent == {
        "day:2026-03-01": Decimal("1.4"),
        "vendor:fal": Decimal("1.4"),
        "vendor-day:fal:2026-03-01": Decimal("1.4"),
    }
    assert ledger.history(job.key).count("(Taken from the catalogue.)") == 3


@pytest.mark.parametrize(("stage", "with_ticket"), sorted(PATHS))
def test_every_state_of_a_catalogue_finds_its_stage(
    ledger: Ledger,
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
    *,
    stage: Stage,
    with_ticket: bool,
) -> None:
    """What was unclear is in doubt, what was under way is asked for; nothing becomes open."""
    job = make_job()
    error = ErrorNote(name="Refused", message="bad face", code="no_face")
    known = replace(
        DONE,
        key=job.key,
        stage=stage,
        attempt=2,
        ticket_id="T" if with_ticket else None,
        charge=NOT_CHARGED if stage is Stage.FAILED else None,
        clip=None,
        error=error if stage in (Stage.FAILED, Stage.SPOILED) else None,
    )
    assert ledger.rebuild([known]) == 1
    state = ledger.state(job.key)
    assert state is not None
    asked_again = {Stage.READY: Stage.ACCEPTED, Stage.INTENDED: Stage.IN_DOUBT}
    expected = asked_again.get(stage, stage)
    if stage is Stage.IN_DOUBT and with_ticket:
        expected = Stage.ACCEPTED  # a ticket ends a doubt
    assert (state.stage, state.attempt) == (expected, 2)
    assert isinstance(ledger.intend(make_wish(job, attempt=2)), Already)
    doubts = ledger.in_doubt()
    assert bool(doubts) == (expected is Stage.IN_DOUBT)
    for doubt in doubts:
        assert doubt.intended_at == BOUGHT
        assert ledger.rule_out(doubt, who="ada", why="not there").stage is Stage.OPEN
    if expected is Stage.FAILED:
        assert state.error == error
        assert state.charged is False
        assert ledger.open_attempt(job.key, after=2, by="person") == 3


def test_what_the_ledger_knows_is_left_alone(
    ledger: Ledger,
    make_job: Callable[..., Job],
    bought: Callable[..., Intended],
) -> None:
    """A catalogue is never better informed; and a rebuild can be repeated."""
    job = make_job()
    bought(ledger, job)
    assert ledger.rebuild([replace(DONE, key=job.key), DONE, DONE]) == 1
    assert ledger.rebuild([DONE]) == 0
    state = ledger.state(job.key)
    assert state is not None
    assert state.stage is Stage.ACCEPTED
    assert {c.spent_usd for c in ledger.counters() if c.scope == "vendor:fal"} == {Decimal("1.4")}


def test_an_enrolled_charge_can_be_corrected(ledger: Ledger) -> None:
    """On the counters of the day on which it was bought, not of the day of the correction."""
    ledger.rebuild([DONE])
    ledger.settle(DONE.key, 1, Charge(usd=Decimal("0.9"), basis=CostBasis.REPORTED), who="ada")
    assert {c.spent_usd for c in ledger.counters()} == {Decimal("0.9")}
    assert len(ledger.counters()) == 3


def test_rows_that_were_never_bought_are_not_enrolled(ledger: Ledger) -> None:
    """A rejected or blocked line of a catalogue is no purchase."""
    assert ledger.rebuild([replace(DONE, stage=Stage.OPEN, ticket_id=None)]) == 0
    assert ledger.totals().attempts == 0


def test_thousands_of_lines_are_enrolled_in_bundles(ledger: Ledger) -> None:
    """Each once, the money of all of them counted."""
    rows = [replace(DONE, key=JobKey(f"{n:064d}"), ticket_id=f"t{n}") for n in range(2_500)]
    assert ledger.rebuild(iter(rows)) == 2_500
    totals = ledger.totals()
    assert (totals.jobs[Stage.DONE], totals.charged_usd) == (2_500, Decimal(3_500))
