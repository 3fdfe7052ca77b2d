"""Errands -> batches, and the Prefect task that walks with one.

A task run costs the server 20 ms and 19 kB, so a large table travels in batches; a small one in
batches of one row, so that each is visible by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from omnihuman_blocks.catalogue.loading import load_block
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.errors import OmniHumanError
from omnihuman_blocks.walk.opening import Setting, house_for
from omnihuman_blocks.walk.walker import Ending, Errand, walk

FEW = 200
"""Up to so many batches: one for each job, so that each is a task run of its own."""
LARGEST = 300


class Batch:
    """Jobs that travel together. No dataclass, so that Prefect does not look into all of them."""

    def __init__(
        self, number: int, errands: Sequence[Errand], until: Collection[Stage] = ()
    ) -> None:
        self.number = number
        self.errands = tuple(errands)
        self.until = tuple(until)

    @property
    def title(self) -> str:
        """What the task run is called."""
        if len(self.errands) == 1:
            job = self.errands[0].job
            return f"{job.provider} {job.key[:12]}"
        return f"batch {self.number} of {len(self.errands)} jobs"


def into_batches(
    errands: Sequence[Errand], *, until: Collection[Stage] = (), batches: int | None = None
) -> list[Batch]:
    """Batches of one for a small table, of up to some hundreds for a large one.

    In the stages of `until` their walks go no further. `batches`: at most so many, however large.
    """
    size = min(LARGEST, max(1, -(-len(errands) // FEW)))
    if batches is not None:
        size = max(1, -(-len(errands) // batches))
    slices = _slices(errands, size)
    return [Batch(number, some, until) for number, some in enumerate(slices, start=1)]


def _slices(errands: Sequence[Errand], size: int) -> Iterator[Sequence[Errand]]:
    for start in range(0, len(errands), size):
        yield errands[start : start + size]


def _run_name() -> str:
    return str(task_run.parameters["batch"].title)


@task(
    name="walk-batch",
    task_run_name=_run_name,
    cache_policy=NO_CACHE,  # what was bought is known by the ledger, and by nothing else
    retries=0,
    persist_result=False,
)
async def walk_batch(batch: Batch, setting: Setting) -> list[Ending]:
    """Walks all jobs of a batch at once. One that breaks down does not stop the others."""
    house = await house_for(setting, load_block)
    walks = [walk(house, errand, until=batch.until) for errand in batch.errands]
    ended = await asyncio.gather(*walks, return_exceptions=True)
    broken = [error for error in ended if isinstance(error, BaseException)]
    for error in broken:
        get_run_logger().error("A walk broke down: %r", error)
    for error in broken:
        if not isinstance(error, OmniHumanError):
            raise error
    return [
        ending if isinstance(ending, Ending) else _broken(errand, ending)
        for errand, ending in zip(batch.errands, ended, strict=True)
    ]


def _broken(errand: Errand, error: BaseException) -> Ending:
    """Our own disk or ledger is in the way; where the job stands is for the ledger to say."""
    return Ending(
        key=errand.job.key,
        stage=Stage.OPEN,
        bought=0,
        error_class=type(error).__name__,
        error_message=str(error),
    )
