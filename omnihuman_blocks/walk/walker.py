"""One job from wherever it stands to its end: bought at most once, waited for, fetched, checked.

Each step reads where the job stands in the ledger, does the one thing that this stage asks for,
writes down what came of it, and the next step begins there. So a walk that is cut off anywhere is
taken up by the next one, in this process or another, at the stage that was written last.
Knows no Prefect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from omnihuman_blocks.domain.job import Job, JobKey
from omnihuman_blocks.domain.lifecycle import HAS_TICKET, Impossible, Stage
from omnihuman_blocks.domain.pricing import CostBasis
from omnihuman_blocks.edges.ledger import JobState
from omnihuman_blocks.errors import (
    CannotStart,
    InvalidRow,
    OmniHumanError,
    OverBudget,
    Refused,
    Transient,
)
from omnihuman_blocks.walk import buying, fetching, recovering, waiting
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.gate import GateClosed, Stopped
from omnihuman_blocks.walk.house import Desk, House

FREE_RETRIES = 2
"""How often a job that failed in the vendor's own opinion for now, and for nothing, is bought
again in the same walk."""
MOST_STEPS = 60
"""More than any job needs; a walk that goes in circles ends here."""

WORDS = {
    Stage.DONE: "done",
    Stage.FAILED: "failed",
    Stage.SPOILED: "failed",
    Stage.IN_DOUBT: "in doubt",
    Stage.INTENDED: "pending",
    Stage.ACCEPTED: "pending",
    Stage.READY: "pending",
    Stage.OPEN: "blocked",
}


@dataclass(frozen=True, kw_only=True)
class Errand:
    """A job to walk with, and what may be done for it."""

    job: Job
    bound: Decimal | None
    """What it may cost at most; None where the price is not known."""
    again: bool = False
    """Somebody asked for a failed job to be bought again, as a new attempt."""
    paid_too: bool = False
    """Even where the failed one was, or may have been, charged."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Where a walk ended. Plain data: it may travel to another process."""

    key: JobKey
    stage: Stage
    bought: int
    """Purchases that this walk made."""
    error_class: str | None = None
    error_message: str | None = None
    """Why it went no further, where the ledger does not say it."""


async def walk(house: House, errand: Errand, *, until: Collection[Stage] = ()) -> Ending:
    """Walks one job to its end, and tells where that is.

    `until` names stages in which nothing more is done, for who wants to walk a stretch of the way.
    """
    desk = house.desk(errand.job.provider)
    walker = Walker(house=house, errand=errand, desk=desk, until=until)
    try:
        await walker.go()
    except GateClosed as closed:
        # That somebody wanted to stop is no error of the row.
        return await walker.end(None if isinstance(closed.cause, Stopped) else closed.cause)
    except (OverBudget, Refused, InvalidRow, Transient) as error:
        return await walker.end(error)
    except CannotStart as error:
        # Our own disk or ledger: what is bought now could not be kept, so nobody buys on.
        trouble = Transient(str(error))
        await house.close_gates(trouble)
        return await walker.end(trouble)
    return await walker.end(None)


@dataclass(kw_only=True)
class Walker:
    """A walk that is under way."""

    house: House
    errand: Errand
    desk: Desk
    until: Collection[Stage] = ()
    bought: int = 0
    free_retries: int = FREE_RETRIES
    asked_again: bool = False
    looked: int = 0
    """How often a fresh address was asked for."""

    @property
    def job(self) -> Job:
        return self.errand.job

    async def state(self) -> JobState | None:
        return await self.house.book(self.house.ledger.state, self.job.key)

    async def go(self) -> None:
        """Step by step, until a step says that there is nothing more to do."""
        async with AsyncExitStack() as place:
            placed = False
            for _ in range(MOST_STEPS):
                state = await self.state()
                stage = state.stage if state is not None else Stage.OPEN
                if stage in self.until:
                    return
                if stage in (Stage.OPEN, Stage.ACCEPTED) and not placed:
                    self.house.board.tell(self.job.key, "waiting")
                    held = stage in HAS_TICKET
                    await place.enter_async_context(self.desk.gate.place(held=held))
                    placed = True
                elif placed and stage not in (Stage.OPEN, Stage.ACCEPTED, Stage.INTENDED):
                    await place.aclose()  # the vendor is free for the next one
                    placed = False
                try:
                    going_on = await self.step(stage, state)
                except Impossible:
                    going_on = True  # another process was faster; look where it stands now
                if not going_on:
                    return

    async def step(self, stage: Stage, state: JobState | None) -> bool:
        """What this stage asks for; whether there is more to do after it."""
        house, desk, job = self.house, self.desk, self.job
        if state is None:
            return await self.buy(1)
        match stage:
            case Stage.OPEN:
                step = self.buy(state.attempt)
            case Stage.INTENDED:
                step = buying.stand_by(house, state)
            case Stage.IN_DOUBT:
                step = recovering.recover(house, desk, job, state)
            case Stage.ACCEPTED:
                step = waiting.wait(house, desk, job, state)
            case Stage.READY:
                step = self.fetch(state)
            case Stage.FAILED | Stage.SPOILED:
                step = self.try_again(state)
            case Stage.DONE:
                step = self.keep(state)
            case _:
                assert_never(stage)
        return await step

    async def buy(self, attempt: int) -> bool:
        """The one step that costs money."""
        self.bought += await buying.buy(self.house, self.desk, self.job, attempt, self.errand.bound)
        return True

    async def fetch(self, state: JobState) -> bool:
        """Fetches and checks; a file that is not the right one is asked for again, not bought."""
        last = self.looked >= fetching.LOOKS
        self.looked += 1
        return await fetching.fetch(self.house, self.desk, self.job, state, last=last)

    async def keep(self, state: JobState) -> bool:
        """A finished job whose file has gone is fetched again."""
        if self.looked or await fetching.is_here(self.house, state):
            return False
        why = "its file is not in the results folder any more"
        await self.house.book(self.house.ledger.look_again, self.job.key, state.attempt, why=why)
        self.looked += 1
        return True

    async def try_again(self, state: JobState) -> bool:
        """A new attempt: by itself only where the last one cost nothing, else only on request."""
        asked = self.errand.again and not self.asked_again
        if asked and (self.errand.paid_too or _was_free(state)):
            self.asked_again = True
            if state.stage is Stage.SPOILED and await fetching.judge_again(
                self.house, self.desk, self.job, state
            ):
                return True
        elif state.stage is Stage.FAILED and state.retryable and _was_free(state):
            if not self.free_retries:
                return False
            self.free_retries -= 1
        else:
            return False
        self.house.passing(Border.BEFORE_ATTEMPT)
        await self.house.book(
            self.house.ledger.open_attempt,
            self.job.key,
            after=state.attempt,
            by="person" if asked else "program",
            spoiled_too=asked and self.errand.paid_too,
        )
        self.house.passing(Border.AFTER_ATTEMPT)
        return True

    async def end(self, error: OmniHumanError | None) -> Ending:
        """Where it stands at last."""
        state = await asyncio.shield(self.state())
        stage = state.stage if state is not None else Stage.OPEN
        self.house.board.tell(self.job.key, WORDS[stage])
        if state is not None and state.charge is not None:
            self.house.board.charge(self.job.key, state.charged_usd)
        return Ending(
            key=self.job.key,
            stage=stage,
            bought=self.bought,
            error_class=None if error is None else name_of(error),
            error_message=None if error is None else str(error),
        )


def _was_free(state: JobState) -> bool:
    return state.charge is not None and state.charge.basis is CostBasis.NOT_CHARGED


def name_of(error: OmniHumanError) -> str:
    """The class that people read and automations key on: one of those in `errors.py`."""
    for cls in type(error).__mro__:
        if cls.__module__ == OmniHumanError.__module__:
            return cls.__name__
    return OmniHumanError.__name__
