"""Jobs that a vendor has -> asked to be cancelled, where that is certain to save their price.

Only a job that still waits in the vendor's line is cancelled: once a machine has begun, it may go
on for all we know, and be charged. What the vendor confirms has failed; a ticket is never given up
on anything less than the vendor's own last word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from omnihuman_blocks.domain.job import Failed, JobKey, Progress, Ticket, Working
from omnihuman_blocks.domain.lifecycle import Impossible, Stage
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import JobState, Ledger
from omnihuman_blocks.errors import OmniHumanError
from omnihuman_blocks.walk.accounts import Seller

AT_ONCE = 8
CONFIRMED_WITHIN = 20.0
"""Seconds in which a vendor takes a job out of its line and says so."""
LOOK_SECONDS = 0.5


class Became(StrEnum):
    """What became of the wish to cancel a job."""

    CANCELLED = "cancelled"
    """The vendor confirms it: there will be no video."""
    ASKED = "asked"
    """The vendor took the wish and has not confirmed it yet."""
    BEGUN = "begun"
    """It is being made, or has ended already."""
    IMPOSSIBLE = "impossible"
    """This vendor cancels nothing."""
    UNANSWERED = "unanswered"
    """The vendor did not answer, or refused to."""


@dataclass(frozen=True, kw_only=True)
class Wished:
    """One job, and what became of the wish."""

    key: JobKey
    provider: str
    became: Became
    said: str
    """By the vendor, or of it."""
    is_free: bool | None = None
    """Of a cancelled one: whether it is certain that it costs nothing."""


async def cancel(
    states: Iterable[JobState], *, ledger: Ledger, sellers: Mapping[str, Seller], who: str
) -> list[Wished]:
    """Asks for each job that has a ticket. `sellers`: of the vendors that can cancel."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with Http() as http:

        async def one(state: JobState, ticket: Ticket) -> Wished:
            seller = sellers.get(state.provider)
            if state.stage is not Stage.ACCEPTED:
                return _wished(state, Became.BEGUN, "it is made")
            if seller is None:
                return _wished(state, Became.IMPOSSIBLE, "it cancels nothing")
            async with slots:
                wish = _Wish(
                    http=http, ledger=ledger, seller=seller, state=state, ticket=ticket, who=who
                )
                try:
                    return await wish.go()
                except OmniHumanError as error:
                    return _wished(state, Became.UNANSWERED, str(error))

        wishes = [one(state, state.ticket) for state in states if state.ticket is not None]
        return await asyncio.gather(*wishes)


@dataclass(frozen=True, kw_only=True)
class _Wish:
    http: Http
    ledger: Ledger
    seller: Seller
    state: JobState
    ticket: Ticket
    who: str

    async def go(self) -> Wished:
        """Looks, asks, and waits for the vendor's last word."""
        progress = await self._check()
        if not isinstance(progress, Working) or progress.queue_position is None:
            return _wished(self.state, Became.BEGUN, _said(progress))
        room = self.seller.room
        assert room.cancelling is not None  # noqa: S101 - that is what it was chosen for
        answer = await self.http.follow(self.seller.account, room.cancelling(self.ticket))
        said = f"{room.TITLE}: {answer.said}"
        await self._book(partial(self.ledger.asked_to_cancel, said=answer.said, who=self.who))
        if not answer.accepted:
            return _wished(self.state, Became.BEGUN, said)
        return await self._confirmed(said)

    async def _confirmed(self, said: str) -> Wished:
        deadline = time.monotonic() + CONFIRMED_WITHIN
        while isinstance(progress := await self._check(), Working):
            if time.monotonic() > deadline:
                return _wished(self.state, Became.ASKED, said)
            await asyncio.sleep(LOOK_SECONDS)
        if not isinstance(progress, Failed):
            return _wished(self.state, Became.BEGUN, _said(progress))
        with suppress(Impossible):  # whoever waits for it was faster, and wrote the same
            await self._book(lambda key, attempt: self.ledger.fail(key, attempt, progress))
        return _wished(self.state, Became.CANCELLED, said, is_free=progress.charged is False)

    async def _check(self) -> Progress:
        return await self.http.follow(self.seller.account, self.seller.room.checking(self.ticket))

    async def _book(self, work: Callable[[JobKey, int], object]) -> None:
        call = partial(work, self.state.key, self.state.attempt)
        await asyncio.get_running_loop().run_in_executor(self.ledger.executor, call)


def _wished(state: JobState, became: Became, said: str, *, is_free: bool | None = None) -> Wished:
    return Wished(key=state.key, provider=state.provider, became=became, said=said, is_free=is_free)


def _said(progress: Progress) -> str:
    return progress.said if isinstance(progress, Working) else "it has ended"
