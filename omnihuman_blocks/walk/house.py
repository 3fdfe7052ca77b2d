"""What all jobs of one event loop share: connections, the ledger, and a desk for each vendor.

A house is opened once per event loop and closed before the loop ends. Jobs come to it with plain
data, so that they may come from another thread, another process or another machine.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.checks import DEFAULT_THRESHOLDS, Thresholds
from omnihuman_blocks.domain.job import Job, JobKey, Media, Upload
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.edges.depot import Depot
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.store import MediaStore
from omnihuman_blocks.errors import OmniHumanError
from omnihuman_blocks.walk.accounts import Seller
from omnihuman_blocks.walk.asking import Asking
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.gate import Gate, GateClosed, Stopped
from omnihuman_blocks.walk.progress import Board

T = TypeVar("T")

MOST_IN_FLIGHT = 100
"""Jobs at one vendor where nobody says otherwise. No vendor publishes how many it takes; the gate
narrows when one has enough."""
DURATIONS_KEPT = 200

ReadUpload: TypeAlias = Callable[[Media], Awaitable[Upload]]
"""The bytes of an examined medium, on their way to a vendor."""


@dataclass(kw_only=True)
class Desk:
    """One vendor, as the jobs of this house meet it."""

    seller: Seller
    gate: Gate
    asking: Asking
    seen: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By model: (seconds of audio, seconds until finished), newest last."""

    def expect(self, model: str, audio_seconds: float) -> pacing.Experience | None:
        """How long a job like this took lately."""
        return pacing.learn(self.seen.get(model, ()), audio_seconds)

    def saw(self, model: str, audio_seconds: float, took: float) -> None:
        """One more job has finished."""
        kept = self.seen.setdefault(model, [])
        kept.append((audio_seconds, took))
        del kept[:-DURATIONS_KEPT]

    def limits_of(self, job: Job) -> Limits:
        """What the job's model takes under the job's options."""
        models = {model.id: model for model in self.seller.room.MODELS.values()}
        return models[job.model].limits(job.options)


@dataclass(kw_only=True)
class House:
    """Where jobs walk. `passing` is told every border that a job crosses."""

    http: Http
    ledger: Ledger
    desks: Mapping[str, Desk]
    folder: Path
    """Where clips are received, and stay unless there is a depot."""
    pool: Executor
    """Threads for what burns CPU: decoding, hashing."""
    read_upload: ReadUpload
    board: Board
    depot: Depot | None = None
    """Where clips are brought whose results lie in object storage."""
    store: MediaStore | None = None
    """Where media are put that a vendor takes no upload of."""
    invocation: str | None = None
    """Whose budget its purchases count against."""
    webhook_url: str | None = None
    """Under this address our receiver of callbacks can be reached by the vendors."""
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    """What a delivered file is held against."""
    patience_seconds: float
    """How long a job is waited for after its purchase before it is left pending."""
    search_seconds: float = 900.0
    """How long a lost purchase is looked for, where nothing is known about such jobs."""
    passing: Callable[[Border], None] = lambda _: None
    bringing: defaultdict[tuple[str, str], asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )
    """By where to and what: whoever brings a medium lets nobody else begin with the same."""
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _wakers: dict[JobKey, asyncio.Event] = field(default_factory=dict)

    def desk(self, provider: str) -> Desk:
        return self.desks[provider]

    async def book(self, work: Callable[..., T], *args: object, **named: object) -> T:
        """A call of the ledger, in its own thread."""
        call = partial(work, *args, **named)
        return await asyncio.get_running_loop().run_in_executor(self.ledger.executor, call)

    async def stop(self, why: str) -> None:
        """Nothing more is bought here, and nobody waits any longer; what was sent is heard out."""
        await self.close_gates(Stopped(why))
        self._stopped.set()
        for waker in self._wakers.values():
            waker.set()

    async def close_gates(self, cause: OmniHumanError) -> None:
        """Nothing more is bought here, from nobody; what was bought is waited for and fetched."""
        for desk in self.desks.values():
            desk.gate.close(cause)

    def wake(self, key: JobKey) -> None:
        """A vendor called about this job: whoever waits for it need not wait any longer."""
        if key in self._wakers:
            self._wakers[key].set()

    async def rest(self, seconds: float, key: JobKey | None = None) -> None:
        """Waits; whoever waits when the house is stopped is sent home with `GateClosed`.

        `key`: only until a vendor calls about this job.
        """
        waker = self._stopped
        if key is not None and not self._stopped.is_set():
            waker = self._wakers.setdefault(key, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await waker.wait()
        if key is not None:
            self._wakers.pop(key, None)
        if self._stopped.is_set():
            raise GateClosed(Stopped("It was stopped while it waited; nothing is lost."))


def desk_for(seller: Seller, http: Http, ledger: Ledger) -> Desk:
    """A desk with what earlier jobs at this vendor have taught."""
    room = seller.room
    return Desk(
        seller=seller,
        gate=Gate(room.TITLE, most=seller.max_in_flight or MOST_IN_FLIGHT),
        asking=Asking(http=http, account=seller.account, room=room),
        seen={
            model.id: ledger.durations(room.NAME, model.id)[::-1] for model in room.MODELS.values()
        },
    )
