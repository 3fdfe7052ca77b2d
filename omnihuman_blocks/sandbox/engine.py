"""Orders in, finished jobs out: purchases are counted, queued, given their time, and charged.

Making begins at once, in the studio's own workers, so an answer never waits for it: a job is done
at the later of its model's time and its picture.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from omnihuman_blocks.sandbox.job import Failure, Job, Order, fingerprint
from omnihuman_blocks.sandbox.line import Line
from omnihuman_blocks.sandbox.making import Made, Maker
from omnihuman_blocks.sandbox.settings import VENDORS, Settings, Vendor

CENT_OF_A_CENT = Decimal("0.0001")
JUST_NOW = 0.001
"""Whoever asks again within so many seconds hears the same: a batch of polls is one look."""


class Engine:
    """All jobs of all vendors. Lives on one event loop; only the studio works elsewhere."""

    def __init__(self, *, settings: Settings, maker: Maker) -> None:
        self.settings = settings
        self.maker = maker
        self.listeners: list[Callable[[Job], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._looked_at = 0.0
        self._making: set[asyncio.Task[None]] = set()
        self._begin()

    def _begin(self) -> None:
        self.bought: list[Job] = []
        self._by_ticket: dict[tuple[Vendor, str], Job] = {}
        self.purchases: Counter[Vendor] = Counter()
        self.in_flight: Counter[Vendor] = Counter()
        self.in_flight_maximum: Counter[Vendor] = Counter()
        self._takes: Counter[str] = Counter()
        self._lines = {name: self._line(name) for name in VENDORS}

    def _line(self, vendor: Vendor) -> Line:
        return Line(lambda: self.settings.vendor(vendor).slots)

    def forget(self) -> None:
        """Begins again with no jobs."""
        for task in self._making:
            task.cancel()
        self._begin()
        self._wake_at(None)

    # --- asking -----------------------------------------------------------------------------

    def find(self, vendor: Vendor, ticket: str) -> Job | None:
        """The job as it is now."""
        if time.monotonic() - self._looked_at > JUST_NOW:
            self.advance()
        return self._by_ticket.get((vendor, ticket))

    def of(self, vendor: Vendor) -> list[Job]:
        """Everything that was bought from one vendor, oldest first."""
        return [job for job in self.bought if job.order.vendor == vendor]

    def position(self, job: Job) -> int:
        """How many jobs wait before it."""
        return self._lines[job.order.vendor].position(job)

    def waiting(self, vendor: Vendor) -> int:
        """How long the queue is."""
        self.advance()
        return len(self._lines[vendor])

    # --- buying -----------------------------------------------------------------------------

    def accept(self, order: Order) -> Job:
        """The purchase. What follows happens by itself."""
        self.purchases[order.vendor] += 1
        inputs = self.maker.at_hand(order)
        job = Job(
            order=order,
            number=self.purchases.total(),
            accepted_at=time.monotonic(),
            fingerprint=fingerprint(order, inputs),
            inputs=inputs,
            request_id=str(uuid.uuid4()),
            seeds=_seeds(order),
            output_ids=tuple(str(uuid.uuid4()) for _ in range(order.results)),
        )
        self.bought.append(job)
        self._by_ticket[order.vendor, order.ticket] = job
        self._count_in(order.vendor)
        self._lines[order.vendor].join(job)
        task = asyncio.get_running_loop().create_task(self._make(job))
        self._making.add(task)
        task.add_done_callback(self._making.discard)
        self.advance()
        return job

    def _count_in(self, vendor: Vendor) -> None:
        self.in_flight[vendor] += 1
        most = max(self.in_flight_maximum[vendor], self.in_flight[vendor])
        self.in_flight_maximum[vendor] = most

    async def _make(self, job: Job) -> None:
        try:
            made = await self.maker.make(job)
        finally:
            job.measured.set()
        if made is None or job.finished_at is not None:
            return
        job.film, job.failure = made.film, made.failure
        job.model_seconds = self._model_seconds(job, made)
        job.made_at = time.monotonic()
        self._lines[job.order.vendor].made(job)
        self.advance()

    def _model_seconds(self, job: Job, made: Made) -> float:
        pace, scale = self.settings.generation, self.settings.time_scale
        if job.seconds is None:  # it has not even listened
            return pace.refusal_seconds * scale
        take = self._takes[job.fingerprint]
        self._takes[job.fingerprint] += 1
        dice = random.Random(f"{pace.seed}:{job.fingerprint}:{take}")
        jitter = 1 + pace.jitter * (2 * dice.random() - 1)
        seconds = pace.base_seconds + pace.seconds_per_second * job.seconds
        return seconds * jitter * made.share * scale

    def cancel(self, job: Job, failure: Failure) -> None:
        """Ends a job that has not ended yet; it is not charged."""
        job.failure, job.film, job.cancelled = failure, None, True
        self._lines[job.order.vendor].leave(job, time.monotonic())
        self._finished(job)
        self.advance()

    # --- the passing of time ----------------------------------------------------------------

    def advance(self) -> None:
        """Lets happen what must have happened by now, and asks to be woken for the next thing."""
        now = self._looked_at = time.monotonic()
        for line in self._lines.values():
            for job in line.advance(now):
                self._finished(job)
        moments = [line.next_moment() for line in self._lines.values()]
        self._wake_at(min((moment for moment in moments if moment is not None), default=None))

    def _wake_at(self, moment: float | None) -> None:
        if moment == self._due and moment is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = moment, None
        if moment is not None:
            self._timer = asyncio.get_running_loop().call_at(moment, self._wake)

    def _wake(self) -> None:
        self._due = self._timer = None
        self.advance()

    def _finished(self, job: Job) -> None:
        self.in_flight[job.order.vendor] -= 1
        job.charged = job.failure is None or job.failure.charged
        if job.charged:
            job.charge_usd = self.price(job.order, job.seconds or 0.0)
        for listener in self.listeners:
            listener(job)

    def price(self, order: Order, seconds: float) -> Decimal:
        """What the vendor asks for a video of this length."""
        rate = self.settings.vendor(order.vendor).usd_per_second.get(order.model, 0.0)
        exact = Decimal(str(rate)) * Decimal(str(round(seconds, 3))) * order.results
        return exact.quantize(CENT_OF_A_CENT)

    async def close(self) -> None:
        """Stops what is still being made."""
        self._wake_at(None)
        for task in self._making:
            task.cancel()
        await asyncio.gather(*self._making, return_exceptions=True)


def _seeds(order: Order) -> tuple[int, ...]:
    wished = order.content.get("seed")
    first = wished if isinstance(wished, int) else secrets.randbelow(2**31)
    return tuple(first + extra for extra in range(order.results))
