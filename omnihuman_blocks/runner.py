"""Prefect tasks -> one background event loop, where thousands of them wait at once.

Prefect's thread pool gives every async task an event loop, a thread and an API client of its own.
Here they share one of each, and the client is in every task's context before Prefect looks for
one. Tasks that are not async run in threads of a bounded number.

A task that was submitted from inside another one takes no slot: its parent holds one already and
may be waiting for it. Nor does a task that still waits for others: it would hold what they need.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

from prefect.client.schemas.objects import RunInput, State, StateDetails
from prefect.context import AsyncClientContext, FlowRunContext
from prefect.exceptions import PrefectSignal
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Crashed, exception_to_crashed_state
from prefect.task_engine import run_task_async, run_task_sync
from prefect.task_runners import TaskRunner

from omnihuman_blocks.loop.future import LoopFuture, futures_in, has_ended
from omnihuman_blocks.loop.thread import LoopThread, OnStop

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from prefect.client.schemas.objects import FlowRun
    from prefect.tasks import Task


@dataclass(frozen=True, kw_only=True)
class _Running:
    """What exists between `__enter__` and `__exit__`."""

    thread: LoopThread[AsyncClientContext]
    client: AsyncClientContext
    slots: asyncio.Semaphore
    thread_slots: asyncio.Semaphore
    threads: ThreadPoolExecutor


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One task run to be."""

    task: Task[Any, Any]
    task_run_id: UUID
    parameters: dict[str, Any]
    wait_for: Iterable[PrefectFuture[Any]] | None
    dependencies: dict[str, set[RunInput]] | None
    upstream: frozenset[PrefectFuture[Any]]
    nested: bool

    def engine_arguments(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "task_run_id": self.task_run_id,
            "parameters": self.parameters,
            "wait_for": self.wait_for,
            "dependencies": self.dependencies,
            "return_type": "state",
        }


class EventLoopTaskRunner(TaskRunner[PrefectFuture[Any]]):
    """Runs async tasks on one event loop, at most `max_concurrency` at a time.

    The flow leaves when its tasks have ended. Where it ends otherwise (an error, a time-out, a
    cancellation, SIGTERM, Ctrl-C), nothing more is begun, `on_stop` is called on the loop to close
    whatever gate there is, the tasks are cancelled, and what they shield with `asyncio.shield` is
    waited for up to `grace_seconds`; what is left after that is named in the log and cancelled.
    A second signal cuts the grace period short.

    The default concurrency stays below 1,024, the number of files that many systems let a process
    open: every task that stores a result opens one. The default grace period fits into the 30
    seconds that Prefect's workers and Kubernetes allow between asking and killing.
    """

    def __init__(
        self,
        *,
        max_concurrency: int = 1_000,
        max_threads: int | None = None,
        grace_seconds: float = 20.0,
        on_stop: OnStop | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if max_concurrency < 1:
            raise ValueError(f"`max_concurrency` is {max_concurrency}; it must be at least 1.")
        if max_threads is not None and max_threads < 1:
            raise ValueError(f"`max_threads` is {max_threads}; it must be at least 1.")
        if grace_seconds < 0:
            raise ValueError(f"`grace_seconds` is {grace_seconds}; it must not be negative.")
        self.max_concurrency = max_concurrency
        self.max_threads = max_threads or min(32, (os.cpu_count() or 1) + 4)
        self.grace_seconds = grace_seconds
        self.on_stop = on_stop
        self._running: _Running | None = None
        self._flow_run: FlowRun | None = None

    def duplicate(self) -> Self:
        return type(self)(
            max_concurrency=self.max_concurrency,
            max_threads=self.max_threads,
            grace_seconds=self.grace_seconds,
            on_stop=self.on_stop,
        )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_running": None, "_flow_run": None, "_started": False}

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._running = self._start()
        except BaseException:
            self._started = False
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._running is not None:
                clean = exc_type is None and not self._flow_has_failed()
                self._end(self._running, clean=clean)
        finally:
            self._running = self._flow_run = None
            super().__exit__(exc_type, exc_value, traceback)

    def submit(
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> LoopFuture[Any]:
        """Hands a task to the loop (or to a thread, where it is not async); returns at once."""
        running = self._running
        if running is None:
            raise RuntimeError("The task runner is not started, or has stopped.")
        wait_for = None if wait_for is None else list(wait_for)
        call = _Call(
            task=task,
            task_run_id=uuid4(),
            parameters=parameters,
            wait_for=wait_for,
            dependencies=dependencies,
            upstream=futures_in([parameters, wait_for]),
            nested=running.thread.is_inside(),
        )
        if (flow := FlowRunContext.get()) is not None:
            self._flow_run = flow.flow_run
        context = copy_context()
        context.run(AsyncClientContext.__var__.set, running.client)
        answer = running.thread.submit(
            partial(_carry, running, call),
            name=f"{task.name} (task run {call.task_run_id})",
            context=context,
            lost=lambda why: _lost(call, why),
        )
        return LoopFuture(
            task_run_id=call.task_run_id, wrapped_future=answer, thread=running.thread
        )

    def _start(self) -> _Running:
        thread = LoopThread(
            resident=AsyncClientContext,
            grace_seconds=self.grace_seconds,
            on_stop=self.on_stop,
            logger=self.logger,
        )
        return _Running(
            thread=thread,
            client=thread.start(),
            slots=asyncio.Semaphore(self.max_concurrency),
            thread_slots=asyncio.Semaphore(self.max_threads),
            # Bounded by `thread_slots`, so that nested tasks need not wait for their parents.
            threads=ThreadPoolExecutor(sys.maxsize, thread_name_prefix="omnihuman task"),
        )

    def _end(self, running: _Running, *, clean: bool) -> None:
        try:
            if clean:
                running.thread.finish()
            else:
                running.thread.stop()
        finally:
            running.threads.shutdown(wait=False, cancel_futures=True)

    def _flow_has_failed(self) -> bool:
        """Prefect deals with ordinary exceptions itself, and closes the runner without one."""
        state = None if self._flow_run is None else self._flow_run.state
        return state is not None and not (state.is_completed() or state.is_running())


async def _carry(running: _Running, call: _Call) -> State[Any]:
    """One task from its submission to its final state, whatever happens to it."""
    begun = False
    slots = running.slots if call.task.isasync else running.thread_slots
    try:
        for future in call.upstream:
            await has_ended(future)
        async with nullcontext() if call.nested else slots:
            begun = True
            if call.task.isasync:
                return cast("State[Any]", await run_task_async(**call.engine_arguments()))
            return await _carry_in_thread(running, call)
    except PrefectSignal:
        raise  # an order to the flow, such as to pause, and no end of the task
    except asyncio.CancelledError as error:
        return await _crashed(call, error) if begun else _lost(call, "the runner was stopped")
    except BaseException as error:  # noqa: BLE001
        return await _crashed(call, error)


async def _carry_in_thread(running: _Running, call: _Call) -> State[Any]:
    cancelled = threading.Event()
    work = partial(run_task_sync, **call.engine_arguments(), context={"cancel_event": cancelled})
    ending = asyncio.get_running_loop().run_in_executor(running.threads, copy_context().run, work)
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            # A thread goes on whatever we say, and saying that it has ended would be untrue.
            cancelled.set()
    return cast("State[Any]", ending.result())


async def _crashed(call: _Call, error: BaseException) -> State[Any]:
    crash = await exception_to_crashed_state(error)
    return Crashed(
        message=crash.message,
        # `future.result()` raises what is stored. A task's own error may pass, but a task's
        # SystemExit must not end the flow.
        data=error if isinstance(error, Exception) else None,
        state_details=StateDetails(task_run_id=call.task_run_id),
    )


def _lost(call: _Call, why: str) -> State[Any]:
    make: Callable[..., State[Any]] = Cancelled
    return make(
        message=f"Task {call.task.name!r} was given up: {why}.",
        state_details=StateDetails(task_run_id=call.task_run_id),
    )
