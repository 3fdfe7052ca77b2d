"""What comes out of a ledger: states, doubts, totals, and a life in plain words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from omnihuman_blocks.domain.job import Bill, Failed, Job, JobKey, Output, Ready, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import UNKNOWN_CHARGE, Charge, CostBasis
from omnihuman_blocks.edges.ledger import Clip, ErrorNote, Intended, Known, Ledger, Wish
from omnihuman_blocks.errors import BadDelivery, InDoubt, Refused

D = Decimal
CLIP = Clip(
    file="videos/x.mp4",
    sha256="d" * 64,
    size=123_456,
    width=1080,
    height=1920,
    seconds=D("9.52"),
    likeness=0.93,
)
OUTPUT = Output(
    url="https://v/1.mp4",
    id="o-1",
    seed=2**40,
    unsafe=False,
    bill=Bill(usd=D("1.36"), seconds=D("9.52")),
)


def test_everything_that_was_written_is_read_back(
    ledger: Ledger, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """Exactly: money, lengths, bills and times survive the database unchanged."""
    job = make_job(seconds="9.5200")
    began = datetime.now(UTC) - timedelta(seconds=5)
    claim = ledger.intend(make_wish(job))
    assert isinstance(claim, Intended)
    ticket = Ticket(provider="fal", model="m", id="T", quoted=Bill(usd=D("1.36"), credits=D(3)))
    ledger.accept(claim, ticket)
    ready = Ready(outputs=(OUTPUT, Output(url="https://v/2.mp4")), generated_seconds=D("61.25"))
    charge = Charge(usd=D("1.360001"), basis=CostBasis.REPORTED)
    ledger.finish(job.key, 1, ready, charge=charge)
    ledger.deliver(job.key, 1, CLIP)
    state = ledger.state(job.key)
    assert state is not None
    assert (state.stage, state.attempt, state.provider) == (Stage.DONE, 1, "fal")
    assert (state.ticket, state.outputs) == (ticket, ready.outputs)
    assert (state.charge, state.charged_usd, state.reserved_usd) == (charge, D("1.360001"), D(0))
    assert (state.clip, state.generated_seconds) == (CLIP, D("61.25"))
    assert str(state.audio_seconds) == "9.5200"
    times = [state.intended_at, state.submitted_at, state.finished_at, state.done_at]
    known = [moment for moment in times if moment is not None]
    assert len(known) == 4
    assert known == sorted(known)
    assert began < known[0] <= known[-1] < datetime.now(UTC) + timedelta(seconds=5)


def test_a_failure_is_remembered_with_class_words_and_code(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """What decides about a retry: the class, the vendor's own code, retryable, charged."""
    claim = bought(ledger)
    error = Refused("no face was found", "no_face")
    ledger.fail(claim.key, 1, Failed(error=error, retryable=True, charged=False))
    (state,) = ledger.failed()
    assert state.error == ErrorNote(name="Refused", message="no face was found", code="no_face")
    assert (state.retryable, state.charged) == (True, False)
    assert state.charge == Charge(usd=D("0E-6"), basis=CostBasis.NOT_CHARGED)


def test_the_money_of_all_attempts_is_added_up(
    ledger: Ledger,
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
    bought: Callable[..., Intended],
) -> None:
    """A failed attempt that was charged is part of what the video cost."""
    job = make_job()
    bought(ledger, job)
    charge = Charge(usd=D("0.40"), basis=CostBasis.REPORTED)
    ledger.fail(job.key, 1, Failed(error=Refused("no"), charged=True), charge=charge)
    ledger.open_attempt(job.key, after=1, by="person")
    bought(ledger, job, attempt=2)
    ledger.fail(job.key, 2, Failed(error=Refused("no")))
    ledger.open_attempt(job.key, after=2, by="program")
    bought(ledger, job, attempt=3)
    state = ledger.state(job.key)
    assert state is not None
    assert (state.attempt, state.opened_by, state.stage) == (3, "program", Stage.ACCEPTED)
    assert (state.charged_usd, state.unknown_charges) == (D("0.40"), 1)
    assert state.reserved_usd == D("3.00")
    assert ledger.totals().jobs[Stage.ACCEPTED] == 1
    assert ledger.totals().jobs[Stage.FAILED] == 0
    assert ledger.failed() == []


def test_tens_of_thousands_of_states_come_in_a_few_queries(ledger: Ledger) -> None:
    """Keys that are not enrolled are simply not in the answer."""
    rows = [
        Known(
            key=JobKey(f"{n:064d}"),
            provider="fal",
            model="m",
            stage=Stage.DONE,
            ticket_id=f"t{n}",
            clip=CLIP,
            charge=Charge(usd=D("1.5"), basis=CostBasis.REPORTED),
        )
        for n in range(3_000)
    ]
    assert ledger.rebuild(rows) == 3_000
    asked: list[str] = []

    def hear(*heard: Any) -> None:
        asked.append(heard[2])

    sa.event.listen(ledger._store._reader, "before_cursor_execute", hear)
    found = ledger.states(JobKey(f"{n:064d}") for n in range(25_000))
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 9
    assert len(found) == 3_000
    assert {state.stage for state in found.values()} == {Stage.DONE}
    assert found[rows[7].key].clip == CLIP


def test_jobs_that_wait_are_found_again(
    ledger: Ledger, bought: Callable[..., Intended], make_wish: Callable[..., Wish]
) -> None:
    """What the vendor has or has made, and nothing else; a ticket leads back to its attempt."""
    first, second, third = (bought(ledger) for _ in range(3))
    ledger.finish(second.key, 1, Ready(outputs=(OUTPUT,)))
    ledger.fail(third.key, 1, Failed(error=Refused("no")))
    ledger.intend(make_wish())
    waiting = {state.key: state for state in ledger.waiting()}
    assert set(waiting) == {first.key, second.key}
    ticket = waiting[first.key].ticket
    assert ticket is not None
    assert ledger.by_ticket(ticket.id) == [(first.key, 1)]
    assert ledger.by_ticket("unknown") == []


def test_doubts_come_oldest_first_and_can_be_asked_for(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """For `reconcile`, which goes through them, and for a job that looks for its own."""
    keys = []
    for _ in range(3):
        claim = ledger.intend(make_wish())
        assert isinstance(claim, Intended)
        ledger.lose(claim, InDoubt("no answer"))
        keys.append(claim.key)
    assert [doubt.key for doubt in ledger.in_doubt()] == keys
    assert [doubt.key for doubt in ledger.in_doubt([keys[1]])] == [keys[1]]
    assert ledger.in_doubt([]) == []


def test_totals_tell_the_whole_story(
    ledger: Ledger, bought: Callable[..., Intended], make_wish: Callable[..., Wish]
) -> None:
    """By stage, and in money: charged, set aside, unknown."""
    assert ledger.totals().charged_usd == 0
    done, spoiled, lost = bought(ledger), bought(ledger), ledger.intend(make_wish())
    assert isinstance(lost, Intended)
    ledger.lose(lost, InDoubt("no answer"))
    for claim in (done, spoiled):
        ledger.finish(claim.key, 1, Ready(outputs=(OUTPUT,)))
    ledger.deliver(done.key, 1, CLIP, charge=Charge(usd=D("1.4"), basis=CostBasis.DURATION))
    ledger.spoil(spoiled.key, 1, BadDelivery("silence"), charge=UNKNOWN_CHARGE)
    totals = ledger.totals()
    counted = {stage: count for stage, count in totals.jobs.items() if count}
    assert counted == {Stage.DONE: 1, Stage.SPOILED: 1, Stage.IN_DOUBT: 1}
    assert (totals.attempts, totals.intents) == (3, 3)
    assert (totals.charged_usd, totals.reserved_usd) == (D("1.4"), D("3.0"))
    assert (totals.unknown_charges, totals.above_reservation) == (1, 0)


def test_the_queries_of_the_manual_work(tmp_path: Path) -> None:
    """On a ledger as it is, opened for reading as the manual says."""
    manual = Path(__file__).parents[2] / "docs" / "ledger.md"
    queries = manual.read_text(encoding="utf-8").split("```sql\n")[1].split("```")[0]
    Ledger.open(tmp_path / "ledger.db").close()
    connection = sqlite3.connect(f"file:{tmp_path}/ledger.db?mode=ro", uri=True)
    for query in queries.split("\n\n"):
        assert connection.execute(query).fetchall() == []
    connection.close()


def test_a_life_is_told_in_plain_words(
    ledger: Ledger, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """Who did what when, what it meant for the money, one line each, without a manual."""
    job = make_job()
    claim = ledger.intend(make_wish(job))
    assert isinstance(claim, Intended)
    ledger.lose(claim, InDoubt("The connection broke"))
    ledger.adopt(job.key, 1, Ticket(provider="fal", model="m", id="T-9"), who="callback")
    charge = Charge(usd=D("1.36"), basis=CostBasis.REPORTED)
    ledger.finish(job.key, 1, Ready(outputs=(OUTPUT,)), charge=charge)
    ledger.deliver(job.key, 1, CLIP)
    ledger.look_again(job.key, 1, why="the file was lost", who="ada")
    heading, product, now, _, attempt, *lines = ledger.history(job.key).splitlines()
    assert heading == f"Job {job.key}"
    assert product == "omnihuman/v1.5 at fal, 9.5 s of audio"
    assert now == "Now bought; the vendor is making it; $1.36 charged in all"
    assert attempt == "Attempt 1"
    told = [line.strip().split("  ")[1] for line in lines]
    assert told == [
        "The purchase was written down before anything was sent. $1.50 was set aside.",
        "The answer was lost, so it may have been bought. The connection broke (InDoubt).",
        "Ticket T-9 was found and adopted.",
        "The vendor has made the video. It cost $1.36, as the vendor reports it.",
        "The video was checked and is here: videos/x.mp4.",
        "The vendor is asked for it again: the file was lost.",
    ]
    who = [line.partition("  [")[2].removesuffix("]") for line in (each[2:] for each in lines)]
    process = who[0]
    assert process.startswith("process ")
    assert who == [process, "", "callback", process, "", "ada"]
    assert ledger.history(JobKey("unknown")) == "The ledger knows nothing of job unknown."
