"""Vendors that call instead of being asked: the address they are told, and who is woken by it.

The receiver of callbacks is another process (`omnihuman webhooks`); what it heard stands in the
ledger. One look there every few seconds is enough for all jobs that wait in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from contextvars import Context

from omnihuman_blocks.domain.job import Job
from omnihuman_blocks.edges.ledger import LedgerUnusable
from omnihuman_blocks.walk.house import Desk, House

LOOK_SECONDS = 2.0


def callback_address(house: House, desk: Desk, job: Job, token: str) -> str | None:
    """Where this vendor calls about one purchase. None where it calls nobody, or somebody else."""
    calls_elsewhere = getattr(job.options, "webhook_url", None) is not None
    if house.webhook_url is None or desk.seller.room.CALLBACKS is None or calls_elsewhere:
        return None
    return f"{house.webhook_url}/{desk.seller.name}/{token}"


async def listen(house: House) -> None:
    """Until it is cancelled: wakes whoever waits for a job that a vendor called about."""
    last: int | None = None
    while True:
        with suppress(LedgerUnusable):  # whoever waits asks by itself, only later
            if last is None:
                last = await house.book(house.ledger.last_call)
            last, keys = await house.book(house.ledger.calls_since, last)
            for key in keys:
                house.wake(key)
        await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def listening(house: House) -> AsyncGenerator[None, None]:
    """For as long as this lasts, where vendors were told whom to call."""
    if house.webhook_url is None:
        yield
        return
    # In a context of its own: it is nobody's work that a loop would wait for before it ends.
    task = asyncio.create_task(listen(house), context=Context())
    try:
        yield
    finally:
        task.cancel()
