"""The step of a walk between ticket and video: ask now and then, until the vendor's last word."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.job import Failed, Job, Progress, Ready, Ticket, Working
from omnihuman_blocks.domain.pricing import UNKNOWN_CHARGE, Charge, settle
from omnihuman_blocks.edges.ledger import JobState
from omnihuman_blocks.errors import AccountBlocked, Refused, Transient, Unreadable
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.buying import heed
from omnihuman_blocks.walk.house import Desk, House

REFUSALS = 5
"""After so many in a row the vendor does not know the ticket; it stays pending, for a person."""
UNBROKEN_SECONDS = 90.0
"""A ticket older than this when we first ask was not watched from its purchase on, and what it
took teaches nothing."""


async def wait(house: House, desk: Desk, job: Job, state: JobState) -> bool:
    """Asks until the job is finished; False where our patience ends first. Tickets are kept."""
    if state.ticket is None:
        return False
    house.board.tell(job.key, "generating")
    aged = _age(state)
    watched = aged < UNBROKEN_SECONDS
    progress = await _ask_until_the_end(house, desk, job, state.ticket, aged)
    if progress is None:
        return False
    took = _age(state) if watched else None
    house.passing(Border.BEFORE_END)
    if isinstance(progress, Failed):
        await heed(desk, await house.book(house.ledger.fail, state.key, state.attempt, progress))
    else:
        await _write_ready(house, desk, job, state, progress, took=took)
    house.passing(Border.AFTER_END)
    return True


async def _ask_until_the_end(
    house: House, desk: Desk, job: Job, ticket: Ticket, aged: float
) -> Ready | Failed | None:
    """`aged` seconds have passed since the purchase. What was left long ago is asked at once."""
    began = time.monotonic()
    deadline = aged + house.patience_seconds
    failures = refusals = 0
    seconds = float(job.audio.seconds or 0)
    if aged < UNBROKEN_SECONDS:
        first = pacing.next_wait(aged, deadline, desk.expect(job.model, seconds)) or 0
        await house.rest(first, job.key)
    while True:
        elapsed = aged + time.monotonic() - began
        house.passing(Border.BEFORE_QUESTION)
        try:
            progress: Progress = await desk.asking.check(ticket)
        except (Transient, Unreadable, Refused, AccountBlocked) as error:
            failures += 1
            refusals = refusals + 1 if isinstance(error, (Refused, AccountBlocked)) else 0
            if isinstance(error, AccountBlocked):
                desk.gate.close(error)
            if refusals == REFUSALS or elapsed >= deadline:
                return None
            wish = error.retry_after if isinstance(error, Transient) else None
            await house.rest(pacing.after_failure(failures, wish))
            continue
        if not isinstance(progress, Working):
            return progress
        failures = refusals = 0
        house.board.tell_progress(job.key, progress)
        expected = desk.expect(job.model, seconds)
        pause = pacing.next_wait(aged + time.monotonic() - began, deadline, expected)
        if pause is None:
            return None
        await house.rest(pause, job.key)


async def _write_ready(
    house: House, desk: Desk, job: Job, state: JobState, ready: Ready, *, took: float | None
) -> None:
    if took is not None and job.audio.seconds is not None:
        desk.saw(job.model, float(job.audio.seconds), took)
    applied = await house.book(
        house.ledger.finish,
        state.key,
        state.attempt,
        ready,
        charge=_charge(desk, job, state, ready),
        waited_seconds=took,
    )
    await heed(desk, applied)


def _charge(desk: Desk, job: Job, state: JobState, ready: Ready) -> Charge | None:
    """By what the vendor says now, else by what it said when it took the job; None: not yet."""
    room = desk.seller.room
    price = desk.seller.price_of(job.model)
    charge = settle(ready.bill, price, room.USD_PER_CREDIT)
    if charge == UNKNOWN_CHARGE and state.ticket is not None and state.ticket.quoted is not None:
        charge = settle(state.ticket.quoted, price, room.USD_PER_CREDIT)
    return None if charge == UNKNOWN_CHARGE else charge


def _age(state: JobState) -> float:
    since = state.submitted_at or state.intended_at
    if since is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - since).total_seconds())
