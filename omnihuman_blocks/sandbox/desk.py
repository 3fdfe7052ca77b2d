"""What the four wires share: one desk at which requests are counted, judged and answered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from omnihuman_blocks.sandbox.answers import Answer
from omnihuman_blocks.sandbox.callbacks import Callbacks
from omnihuman_blocks.sandbox.courier import Courier
from omnihuman_blocks.sandbox.effects import Fails, Operation
from omnihuman_blocks.sandbox.engine import Engine
from omnihuman_blocks.sandbox.faults import Faults, Moment
from omnihuman_blocks.sandbox.job import Failure, Job, Order, fingerprint
from omnihuman_blocks.sandbox.media import Library
from omnihuman_blocks.sandbox.outputs import Outputs
from omnihuman_blocks.sandbox.settings import Settings, Vendor
from omnihuman_blocks.sandbox.strike import Refuses, Strike


class Wire(Protocol):
    """One vendor's way of speaking."""

    @property
    def vendor(self) -> Vendor: ...

    def routes(self) -> list[BaseRoute]: ...

    def refuse(self, name: str, *, status: int | None = None) -> Answer:
        """A no to a request: `rate`, `unavailable`, `balance`, `key`, `suspended`, its own code."""
        ...

    def failure(self, fails: Fails) -> Failure:
        """A job's own failure, in this vendor's words."""
        ...

    def finished(self, job: Job) -> None:
        """A job has ended: whoever asked to be called is called."""
        ...


@dataclass(kw_only=True)
class Desk:
    """Everything that is not peculiar to one vendor."""

    settings: Settings
    engine: Engine
    library: Library
    faults: Faults
    courier: Courier
    callbacks: Callbacks
    outputs: Outputs
    requests: Counter[tuple[Vendor, Operation]] = field(default_factory=Counter)
    narrate: Callable[[str], None] = lambda _line: None

    def admits(self, vendor: Vendor, key: object) -> bool:
        """Whether this is the key of an account that the vendor knows."""
        settings = self.settings.vendor(vendor)
        return key == settings.key and settings.blocked != "key"

    def note(self, vendor: Vendor, operation: Operation, job: Job | None = None) -> None:
        """Counts a request."""
        self.requests[vendor, operation] += 1
        if job is not None:
            job.asked[operation] += 1

    def strike(self, moment: Callable[[], Moment], refuses: Refuses) -> Strike:
        """What goes wrong with this exchange. The moment is looked at only if something can."""
        return Strike(self.faults.effects(moment()) if self.faults else (), refuses)

    def strike_about(
        self, vendor: Vendor, operation: Operation, job: Job | None, refuses: Refuses
    ) -> Strike:
        """What goes wrong with a request about a job that may exist."""
        return self.strike(lambda: self.about(vendor, operation, job), refuses)

    async def accept(self, order: Order) -> Job:
        """The purchase, with whatever must happen before it is answered."""
        job = self.engine.accept(order)
        job.asked["submit"] += 1
        self.narrate(f"{order.vendor:8} #{job.number} bought {order.model} as {order.ticket}")
        await self.callbacks.accepted(job, self.about(order.vendor, "webhook", job))
        return job

    def about_order(self, order: Order) -> Moment:
        """The moment of a submission that has not been accepted yet."""
        inputs = self.engine.maker.at_hand(order)
        return Moment(
            vendor=order.vendor,
            operation="submit",
            client_id=order.client_id,
            fingerprint=fingerprint(order, inputs),
            media=frozenset(medium.digest for medium in inputs.values()),
            purchases=self.engine.purchases[order.vendor],
        )

    def about(self, vendor: Vendor, operation: Operation, job: Job | None) -> Moment:
        """The moment of a request about a job that may exist."""
        purchases = self.engine.purchases[vendor]
        if job is None:
            return Moment(vendor=vendor, operation=operation, purchases=purchases)
        return Moment(
            vendor=vendor,
            operation=operation,
            ticket=job.order.ticket,
            client_id=job.order.client_id,
            fingerprint=job.fingerprint,
            media=job.digests,
            purchases=purchases,
        )

    def told(self, job: Job) -> None:
        """The client has been told how the job stands."""
        if job.finished_at is not None and job.seen_at is None:
            job.seen_at = time.monotonic()


def base_of(connection: HTTPConnection) -> str:
    """The address under which the client knows this sandbox."""
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    host, port = connection.scope["server"]
    return f"{scheme}://{connection.headers.get('host', f'{host}:{port}')}"
