"""Questions about tickets to one vendor; many in one request where the vendor takes that.

Waiting jobs ask one by one. For a vendor that answers many in one request they are gathered for a
moment first, so that a thousand waiting jobs cost a handful of requests a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field

from omnihuman_blocks.domain.job import Progress, Ticket
from omnihuman_blocks.edges.http import Account, Http
from omnihuman_blocks.errors import OmniHumanError
from omnihuman_blocks.providers.base import Provider, Together

GATHER_SECONDS = 0.2


@dataclass(kw_only=True)
class Asking:
    """One vendor's front desk."""

    http: Http
    account: Account
    room: Provider
    _gathered: list[tuple[Ticket, asyncio.Future[Progress]]] = field(default_factory=list)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    async def check(self, ticket: Ticket) -> Progress:
        """How a purchase stands, as the vendor says it now."""
        together = self.room.TOGETHER
        if together is None:
            return await self.http.follow(self.account, self.room.checking(ticket))
        answer: asyncio.Future[Progress] = asyncio.get_running_loop().create_future()
        self._gathered.append((ticket, answer))
        if len(self._gathered) == 1:
            self._start(self._send_soon(together))
        elif len(self._gathered) >= together.most:
            gathered, self._gathered = self._gathered, []
            self._start(self._send(together, gathered))
        return await answer

    async def _send_soon(self, together: Together) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        gathered, self._gathered = self._gathered, []
        await self._send(together, gathered)

    async def _send(
        self, together: Together, gathered: list[tuple[Ticket, asyncio.Future[Progress]]]
    ) -> None:
        asked = [(ticket, answer) for ticket, answer in gathered if not answer.done()]
        if not asked:
            return
        answers: list[Progress | OmniHumanError]
        try:
            flow = together.checking([ticket for ticket, _ in asked])
            answers = await self.http.follow(self.account, flow)
        except OmniHumanError as error:
            answers = [error] * len(asked)
        except BaseException:
            for _, answer in asked:
                answer.cancel()
            raise
        for (_, answer), said in zip(asked, answers, strict=True):
            _settle(answer, said)

    def _start(self, sending: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(sending)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def _settle(answer: asyncio.Future[Progress], said: Progress | OmniHumanError) -> None:
    if answer.done():
        return  # whoever asked has gone
    if isinstance(said, OmniHumanError):
        answer.set_exception(said)
    else:
        answer.set_result(said)
