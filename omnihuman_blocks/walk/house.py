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
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.addresses import is_public, is_web
from omnihuman_blocks.domain.job import JobKey, Media, Upload
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.errors import InvalidRow, Transient
from omnihuman_blocks.walk.accounts import Seller
from omnihuman_blocks.walk.asking import Asking
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.gate import Gate, GateClosed, Stopped
from omnihuman_blocks.walk.progress import Board

T = TypeVar("T")

MOST_IN_FLIGHT = 100
"""Jobs at one vendor where nobody says otherwise. No vendor publishes how many it takes; the gate
narrows when one has enough."""
STAGED_FOR_AT_LEAST = timedelta(hours=1)
"""A staged medium that goes sooner than this is brought again: a queue can be long."""
UPLOAD_TRIES = 5
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
    _bringing: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    def expect(self, model: str, audio_seconds: float) -> pacing.Experience | None:
        """How long a job like this took lately."""
        return pacing.learn(self.seen.get(model, ()), audio_seconds)

    def saw(self, model: str, audio_seconds: float, took: float) -> None:
        """One more job has finished."""
        kept = self.seen.setdefault(model, [])
        kept.append((audio_seconds, took))
        del kept[:-DURATIONS_KEPT]


@dataclass(kw_only=True)
class House:
    """Where jobs walk. `passing` is told every border that a job crosses."""

    http: Http
    ledger: Ledger
    desks: Mapping[str, Desk]
    folder: Path
    """Where clips are put."""
    pool: Executor
    """Threads for what burns CPU: decoding, hashing."""
    read_upload: ReadUpload
    board: Board
    invocation: str | None = None
    """Whose budget its purchases count against."""
    webhook_url: str | None = None
    """Under this address our receiver of callbacks can be reached by the vendors."""
    patience_seconds: float
    """How long a job is waited for after its purchase before it is left pending."""
    search_seconds: float = 900.0
    """How long a lost purchase is looked for, where nothing is known about such jobs."""
    passing: Callable[[Border], None] = lambda _: None
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
        for desk in self.desks.values():
            await desk.gate.close(Stopped(why))
        self._stopped.set()
        for waker in self._wakers.values():
            waker.set()

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

    async def address_for(self, desk: Desk, media: Media) -> str:
        """Where the vendor finds a medium: its own address, or one that it gave us for our file."""
        if is_web(media.uri) and (is_public(media.uri) or desk.seller.account.is_local):
            return media.uri
        async with desk._bringing[media.sha256]:  # noqa: SLF001 - a desk belongs to its house
            return await self._staged(desk, media)

    async def _staged(self, desk: Desk, media: Media) -> str:
        name, account = desk.seller.name, desk.seller.account.fingerprint
        known = await self.book(
            self.ledger.staged, name, account, media.sha256, at_least=STAGED_FOR_AT_LEAST
        )
        if known is not None:
            return known
        staging = desk.seller.room.staging
        if staging is None or media.kind not in desk.seller.room.STAGES:
            raise InvalidRow(
                f"{desk.seller.room.TITLE} takes no upload of this kind ({media.kind}). "
                "Give a public https address.",
                f"{media.kind}_uri",
            )
        upload = await self.read_upload(media)
        self.passing(Border.BEFORE_UPLOAD)
        for tried in range(1, UPLOAD_TRIES + 1):
            try:
                staged = await self.http.follow(desk.seller.account, staging(upload))
            except Transient as error:
                if tried == UPLOAD_TRIES:
                    raise
                await self.rest(pacing.after_failure(tried, error.retry_after))
            else:
                self.passing(Border.STAGED)
                if not staged.address.startswith("data:"):
                    await self.book(self.ledger.keep_staged, name, account, media.sha256, staged)
                self.passing(Border.ADDRESS_KEPT)
                return staged.address
        raise AssertionError(media.sha256)  # pragma: no cover - the last try returns or raises


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
