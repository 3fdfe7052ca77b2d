"""The gate to one vendor: how many jobs may be out, and whether anybody may still buy.

Shared by all jobs of an event loop. It narrows when the vendor says "too many", widens with every
purchase that is accepted at its limit, and closes for good when buying on would be wrong: a
blocked account, an exhausted budget, a row of lost answers, or somebody who wants to stop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.errors import AccountBlocked, InDoubt, OmniHumanError, Transient

REOPEN_SECONDS = 300.0
"""After so long somebody may have paid the account, or made room on the disk."""
DOUBTS_IN_A_ROW = 3
"""After so many lost answers in a row it is an outage, not bad luck."""


class Stopped(OmniHumanError):
    """Somebody asked to stop before this was bought."""


class GateClosed(OmniHumanError):
    """Nothing more is bought here. `cause` says why; its class is the row's error class."""

    def __init__(self, cause: OmniHumanError) -> None:
        super().__init__(str(cause))
        self.args = (cause,)
        self.cause = cause


class Gate:
    """Places for jobs at one vendor. A place is held from purchase to finished video."""

    def __init__(self, name: str, *, most: int) -> None:
        self.name = name
        self.most = most
        self.limit = most
        self.out = 0
        self._closed: OmniHumanError | None = None
        self._closed_at = 0.0
        self._doubts = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        """Thousands, in the order in which they came; each is woken once, when it is its turn."""

    @property
    def closed(self) -> OmniHumanError | None:
        """Why nobody may buy any more; None while the gate is open."""
        return self._closed

    @asynccontextmanager
    async def place(self, *, held: bool = False) -> AsyncGenerator[None, None]:
        """Waits for a place. `held`: the vendor has the job already, so nobody can turn it away."""
        if held:
            self.out += 1
        else:
            await self._enter()
        try:
            yield
        finally:
            self.out -= 1
            self._let_in()

    def check(self) -> None:
        """Raises `GateClosed` once nobody may buy any more."""
        if self._closed is not None:
            raise GateClosed(self._closed)

    def close(self, cause: OmniHumanError) -> None:
        """Closes for good. The first cause is the one that is told."""
        if self._closed is None:
            self._closed = cause
        self._closed_at = time.monotonic()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(GateClosed(self._closed))

    def reopen(self, *, after: float = REOPEN_SECONDS) -> bool:
        """Lets one job at a time try again, where what closed the gate may have passed by now.

        For those who buy single videos for days. A catalogue never calls it: its rows are blocked,
        and its next run has a gate of its own. Lost answers and wrong bills stay for a person.
        """
        may_pass = isinstance(self._closed, (AccountBlocked, Transient))
        if not may_pass or time.monotonic() - self._closed_at < after:
            return False
        self._closed, self.limit = None, 1
        return True

    def turned_away(self) -> None:
        """The vendor said "too many": as many as are out without this one are already too many."""
        self.limit = min(self.limit, pacing.narrowed(self.out - 1))

    def accepted(self) -> None:
        """A purchase went through."""
        self._doubts = 0
        if self.out >= self.limit:
            self.limit = pacing.widened(self.limit, self.most)
            self._let_in()

    def doubted(self, doubt: InDoubt) -> None:
        """A purchase's answer was lost. A row of them closes the gate."""
        self._doubts += 1
        if self._doubts >= DOUBTS_IN_A_ROW:
            self.close(
                InDoubt(
                    f"{DOUBTS_IN_A_ROW} answers in a row were lost at {self.name}; nothing more "
                    f"is bought there until it is looked into. The last one: {doubt}"
                )
            )

    async def _enter(self) -> None:
        """Takes a place now, or is given one later; whoever leaves before gives it on."""
        self.check()
        if self.out < self.limit:
            self.out += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
            self.check()  # it may have closed between the two
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.out -= 1
                self._let_in()
            raise

    def _let_in(self) -> None:
        """Gives the free places to those who have waited longest, and wakes nobody else."""
        while self._waiting and self.out < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.out += 1
                turn.set_result(None)
