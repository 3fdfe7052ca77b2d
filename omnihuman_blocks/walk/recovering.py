"""The step of a walk out of a doubt: look for a purchase whose answer was lost.

By the room's own way where the vendor offers one; else by waiting for the vendor's callback, which
`omnihuman webhooks` writes into the ledger; else it is held, for a person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.job import Job, Submission, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.ledger import Doubt, JobState, steady
from omnihuman_blocks.errors import AccountBlocked, InDoubt, Refused, Transient, Unreadable
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.buying import heed
from omnihuman_blocks.walk.house import Desk, House

SEARCH_FAILURES = 8


async def recover(house: House, desk: Desk, job: Job, state: JobState) -> bool:
    """Looks for a purchase whose answer was lost, where the vendor offers a way; else holds it."""
    doubts = await house.book(house.ledger.in_doubt, [state.key])
    if not doubts:
        return True
    doubt: Doubt = doubts[0]
    house.board.tell(job.key, "waiting")
    house.passing(Border.BEFORE_SEARCH)
    ticket = await _search(house, desk, job, doubt)
    if ticket is None:
        return await _was_called(house, desk, job, doubt)
    house.passing(Border.FOUND)
    applied = await house.book(house.ledger.adopt, doubt.key, doubt.attempt, ticket, who="recovery")
    house.passing(Border.ADOPTED)
    await heed(desk, applied)
    desk.gate.accepted()
    return True


async def _search(house: House, desk: Desk, job: Job, doubt: Doubt) -> Ticket | None:
    room, failures, asked = desk.seller.room, 0, 0
    if room.recovering is None:
        return None
    submission = _as_submitted(job, doubt)
    look_for, age = _search_seconds(house, desk, job), _ageing(doubt)
    while True:
        try:
            flow = room.recovering(submission, age())
            ticket = await house.http.follow(desk.seller.account, flow)
        except (Transient, Unreadable, InDoubt) as error:
            failures += 1
            if failures == SEARCH_FAILURES:
                return None
            wish = error.retry_after if isinstance(error, Transient) else None
            await house.rest(pacing.after_failure(failures, wish))
            continue
        except (Refused, AccountBlocked):
            return None
        asked += 1
        wait = pacing.next_wait(age().total_seconds(), look_for, None)
        if ticket is not None or wait is None:
            return ticket
        await house.rest(wait)


async def _was_called(house: House, desk: Desk, job: Job, doubt: Doubt) -> bool:
    """Waits for the vendor's callback, where it was told to call, as long as it may come."""
    if doubt.callback is None:
        return False
    longest, age = _must_have_ended(house, desk, job), _ageing(doubt)
    while True:
        state = await house.book(house.ledger.state, doubt.key)
        if state is None or state.stage is not Stage.IN_DOUBT:
            desk.gate.accepted()
            return True
        wait = pacing.next_wait(age().total_seconds(), longest, None)
        if wait is None:
            return False
        await house.rest(wait, doubt.key)


def _search_seconds(house: House, desk: Desk, job: Job) -> float:
    """Until a job of this length must have ended, and with it be listed."""
    look_for = desk.seller.room.LOST_ANSWER.look_for.total_seconds()
    return min(_must_have_ended(house, desk, job), look_for)


def _must_have_ended(house: House, desk: Desk, job: Job) -> float:
    expected = desk.expect(job.model, float(job.audio.seconds or 0))
    return house.search_seconds if expected is None else 2 * expected.slowest + 30


def _ageing(doubt: Doubt) -> Callable[[], timedelta]:
    """Its age as the ledger knows it, growing by a clock that nobody can set."""
    began = steady()
    return lambda: doubt.age + timedelta(seconds=steady() - began)


def _as_submitted(job: Job, doubt: Doubt) -> Submission:
    """The very addresses that the lost purchase named: a repeat must be the same request."""
    return Submission(
        job=job,
        attempt=doubt.attempt,
        image=doubt.image,
        audio=doubt.audio,
        mask=doubt.mask,
        callback=doubt.callback,
    )
