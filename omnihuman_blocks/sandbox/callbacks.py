"""Webhooks as the switchboard wants them: as they should be, twice, early, never, forged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from omnihuman_blocks.sandbox.courier import Courier, Parcel
from omnihuman_blocks.sandbox.effects import Early, Forged, Never, Twice
from omnihuman_blocks.sandbox.faults import Faults, Moment
from omnihuman_blocks.sandbox.job import Job


@dataclass
class Callbacks:
    """Who wants to be called gets called, through the courier."""

    courier: Courier
    faults: Faults

    async def accepted(self, job: Job, moment: Moment) -> None:
        """Decides what will go wrong; an early callback holds the answer until it has arrived."""
        if job.order.webhook is None:
            return
        job.webhook_effects = self.faults.effects(moment)
        if self._has(job, Early):
            await job.called.wait()

    def send(self, job: Job, parcels: Sequence[Parcel], forged: Sequence[Parcel]) -> None:
        """Sends the callbacks of a job that has ended."""
        if job.order.webhook is None or self._has(job, Never):
            job.called.set()
            return
        sent = [*(forged if self._has(job, Forged) else ()), *parcels]
        if self._has(job, Twice):
            sent += parcels
        task = asyncio.get_running_loop().create_task(self._deliver(job, sent))
        self.courier.watch(task)

    async def _deliver(self, job: Job, parcels: Sequence[Parcel]) -> None:
        try:
            for parcel in parcels:
                job.calls += await self.courier.deliver(parcel)
        finally:
            job.called.set()

    def _has(self, job: Job, kind: type[object]) -> bool:
        return any(isinstance(effect, kind) for effect in job.webhook_effects)
