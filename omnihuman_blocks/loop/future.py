"""A task's future on the event loop: others block for it, tasks of the same loop await it.

Waiting for a future by blocking, as Prefect's futures do, would block the loop that is to run what
is waited for. So that is refused there, and the engine, which waits in that way for a task's
inputs, is only started when they have ended.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.utilities.annotations import quote
from prefect.utilities.collections import StopVisiting, visit_collection

from omnihuman_blocks.loop.thread import LoopThread

R = TypeVar("R")


class LoopFuture(PrefectConcurrentFuture[R]):
    """A task's future. Where others call `wait` and `result`, tasks of the same runner await
    `wait_async` and `aresult`: blocking the event loop would block what they wait for.
    """

    def __init__(
        self,
        *,
        task_run_id: UUID,
        wrapped_future: concurrent.futures.Future[Any],
        thread: LoopThread[Any],
    ) -> None:
        super().__init__(task_run_id, wrapped_future)
        self._thread = thread

    @property
    def state(self) -> State[Any]:
        """The final state as soon as there is one; before, what Prefect's server knows."""
        if self._final_state is None and self._wrapped_future.done():
            super().wait()
        return super().state

    def wait(self, timeout: float | None = None) -> None:
        self._refuse_to_block("await future.wait_async()")
        super().wait(timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:  # noqa: FBT001, FBT002
        self._refuse_to_block("await future.aresult()")
        return super().result(timeout, raise_on_failure)

    async def wait_async(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Waits without blocking; returns when the task has ended or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await has_ended(self)
        if self._wrapped_future.done():
            super().wait()

    async def aresult(
        self,
        timeout: float | None = None,  # noqa: ASYNC109
        raise_on_failure: bool = True,  # noqa: FBT001, FBT002
    ) -> R:
        """What the task returned, without blocking."""
        await self.wait_async(timeout)
        if self._final_state is None:
            raise TimeoutError(f"Task run {self.task_run_id} did not end within {timeout} s.")
        return cast("R", await self._final_state.aresult(raise_on_failure=raise_on_failure))

    def _add_prefect_done_callback(self, fn: Callable[[PrefectFuture[R]], None]) -> None:
        """Prefect's functions for many futures come through here before they block."""
        self._refuse_to_block("await each_future.aresult()")
        super()._add_prefect_done_callback(fn)

    def _refuse_to_block(self, instead: str) -> None:
        if self._thread.is_here() and not self._wrapped_future.done():
            raise RuntimeError(
                "This would block the event loop that is to run what it waits for. "
                f"Inside an async task, write `{instead}`."
            )


def futures_in(arguments: object) -> frozenset[PrefectFuture[Any]]:
    """Every future that Prefect's engine will wait for, in the thread where it runs."""
    found: set[PrefectFuture[Any]] = set()

    def look(value: Any, context: dict[str, Any]) -> Any:
        if isinstance(context.get("annotation"), quote):
            raise StopVisiting
        if isinstance(value, PrefectFuture):
            found.add(value)
        return value

    visit_collection(arguments, visit_fn=look, return_data=False, context={})
    return frozenset(found)


async def has_ended(future: PrefectFuture[Any]) -> None:
    """Waits for any of Prefect's futures without blocking."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def tell(_: PrefectFuture[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed and nobody waits here any more
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(tell)
    await ended.wait()
