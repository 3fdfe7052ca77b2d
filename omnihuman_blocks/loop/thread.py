"""Coroutines from any thread -> one event loop in one thread, which ends within a promised time.

Knows no Prefect. It remembers for every asyncio task on its loop whose work it is, and so it knows
what `asyncio.shield` leaves behind when the task around it is cancelled: such work is waited for
when the loop ends, and named where the grace period was too short for it.

The loop's thread drives its own ending and other threads only state wishes: an interrupt can reach
the thread that waits for the end at any line, and the end must come all the same.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import math
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeVar

from omnihuman_blocks.loop.shared import close_shared

R = TypeVar("R")
T = TypeVar("T")

OnStop = Callable[[], Awaitable[None] | None]

HEARTBEAT_SECONDS = 1.0
LAST_WORD_SECONDS = 1.0
"""For work that was cancelled at the very end to write down where it stood."""
CLOSING_SECONDS = 5.0
"""For each of the three that close at the end: shared objects, the resident, the loop."""
NAMED_AT_MOST = 20


class Wish(IntEnum):
    """What other threads want of the loop. A wish can only grow."""

    GO_ON = 0
    FINISH = 1
    """End when all submissions have ended."""
    STOP = 2
    """End now, in order: the hook, then cancellation, then the grace period."""
    ABANDON = 3
    """End now, and say what is left behind."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose work an asyncio task is."""

    house: LoopThread[Any]
    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Submission(Generic[R]):
    """A coroutine function from another thread, and where its answer goes."""

    walk: Callable[[], Coroutine[Any, Any, R]]
    owner: Owner
    context: Context
    lost: Callable[[str], R]
    """The answer where the walk gives none; told why."""
    answer: concurrent.futures.Future[R]


_owner: ContextVar[Owner | None] = ContextVar("omnihuman_owner", default=None)


class LoopThread(Generic[T]):
    """`start`, `submit` from anywhere, then `finish` or `stop`.

    `resident` is open on the loop for as long as the loop lives. `on_stop` is called on the loop
    when it is stopped, before anything is cancelled: the place to close a gate.
    """

    def __init__(
        self,
        *,
        resident: Callable[[], AbstractAsyncContextManager[T]],
        grace_seconds: float,
        on_stop: OnStop | None,
        logger: logging.Logger,
    ) -> None:
        self._resident = resident
        self._grace_seconds = grace_seconds
        self._on_stop = on_stop
        self._logger = logger
        self._loop = asyncio.new_event_loop()
        self._context = copy_context()
        self._context.run(_owner.set, None)
        self._thread = threading.Thread(
            target=self._live, name="omnihuman event loop", daemon=False
        )
        self._arrived: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._ended = threading.Event()
        self._woken = asyncio.Event()
        self._wish = Wish.GO_ON
        self._deadline = math.inf
        self._unanswered: set[Submission[Any]] = set()
        self._submitted: set[asyncio.Task[Any]] = set()
        self._work: dict[asyncio.Task[Any], Owner] = {}

    # From any thread

    def start(self) -> T:
        """Starts the thread; the resident, once it is open."""
        self._thread.start()
        try:
            return self._arrived.result()
        except BaseException:
            self._want(Wish.ABANDON)
            raise

    def submit(
        self,
        walk: Callable[[], Coroutine[Any, Any, R]],
        *,
        name: str,
        context: Context,
        lost: Callable[[str], R],
    ) -> concurrent.futures.Future[R]:
        """Begins `walk` on the loop, in `context`. The future is always answered."""
        owner = Owner(house=self, name=name)
        context.run(_owner.set, owner)
        answer: concurrent.futures.Future[R] = concurrent.futures.Future()
        answer.set_running_or_notify_cancel()
        submission = Submission(walk=walk, owner=owner, context=context, lost=lost, answer=answer)
        self._unanswered.add(submission)
        try:
            self._loop.call_soon_threadsafe(self._begin, submission)
        except RuntimeError:
            self._give(submission, lost("the event loop has ended"))
        return answer

    def is_inside(self) -> bool:
        """Whether the caller belongs to work that was submitted here, in whatever thread it is."""
        owner = _owner.get()
        return owner is not None and owner.house is self

    def is_here(self) -> bool:
        """Whether the caller stands on the loop's own thread, where waiting would be for ever."""
        return threading.current_thread() is self._thread

    def finish(self) -> None:
        """Waits until everything submitted has ended, then ends. An interrupt makes it a stop."""
        self._want(Wish.FINISH)
        try:
            self._ended.wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends in order, within the grace period. An interrupt meanwhile abandons what is left."""
        closing = 2 * LAST_WORD_SECONDS + 3 * CLOSING_SECONDS
        try:
            # Inside, for this thread may still be here when the loop has already closed the gate
            # and whoever saw that sends the second interrupt.
            self._want(Wish.STOP)
            self._await_end(self._grace_seconds + closing)
        except BaseException:
            self._want(Wish.ABANDON)
            self._await_end(closing)
            raise

    def _await_end(self, seconds: float) -> None:
        if not self._ended.wait(seconds + HEARTBEAT_SECONDS):
            self._logger.error(
                "The event loop did not end within %g s: something on it blocks its thread. "
                "It is left running.",
                seconds,
            )

    def _want(self, wish: Wish) -> None:
        with suppress(RuntimeError):  # it has ended: nothing more can be wished
            self._loop.call_soon_threadsafe(self._grow, wish)

    # On the loop

    def _grow(self, wish: Wish) -> None:
        if wish > self._wish:
            self._wish = wish
            self._woken.set()

    def _begin(self, submission: Submission[Any]) -> None:
        if self._is_stopping:
            self._give(submission, submission.lost("it was not begun: the event loop is stopping"))
            return
        task = self._loop.create_task(
            submission.walk(), name=submission.owner.name, context=submission.context
        )
        self._submitted.add(task)
        task.add_done_callback(lambda done: self._answer(submission, done))

    def _answer(self, submission: Submission[Any], task: asyncio.Task[Any]) -> None:
        self._submitted.discard(task)
        self._woken.set()
        if task.cancelled():
            self._give(submission, submission.lost("it was cancelled"))
        elif (error := task.exception()) is not None:
            self._unanswered.discard(submission)
            submission.answer.set_exception(error)
        else:
            self._give(submission, task.result())

    def _give(self, submission: Submission[R], answer: R) -> None:
        self._unanswered.discard(submission)
        with suppress(concurrent.futures.InvalidStateError):  # the loop's end was quicker
            submission.answer.set_result(answer)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, R] | Generator[Any, None, R],
        **options: Any,
    ) -> asyncio.Task[R]:
        task: asyncio.Task[R] = asyncio.Task(coro, loop=loop, **options)
        context: Context | None = options.get("context")
        owner = _owner.get() if context is None else context.get(_owner)
        if owner is not None and owner.house is self:
            self._work[task] = owner
            task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._work.pop(task, None)
        if not self._work:
            self._woken.set()

    async def _serve(self) -> None:
        self._loop.set_task_factory(self._make_task)
        resident = self._resident()
        self._arrived.set_result(await resident.__aenter__())
        await self._until(self._may_end)
        if self._is_stopping:
            await self._break_off()
        await self._see_out()
        await self._close(close_shared(), "The shared objects")
        await self._close(resident.__aexit__(None, None, None), "The resident")

    @property
    def _is_stopping(self) -> bool:
        return self._wish >= Wish.STOP

    def _may_end(self) -> bool:
        return self._is_stopping or (self._wish == Wish.FINISH and not self._submitted)

    async def _until(self, condition: Callable[[], bool], *, deadline: float = math.inf) -> None:
        while not condition() and (left := deadline - self._loop.time()) > 0:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, HEARTBEAT_SECONDS)):
                    await self._woken.wait()
            if not threading.main_thread().is_alive():
                # The interpreter waits for this thread, and nobody is left to end it.
                self._grow(Wish.STOP)

    async def _break_off(self) -> None:
        self._deadline = self._loop.time() + self._grace_seconds
        await self._call_hook()
        for task in self._submitted:
            task.cancel()

    async def _call_hook(self) -> None:
        try:
            answer = self._on_stop() if self._on_stop is not None else None
            if answer is None:
                return
            hook = asyncio.ensure_future(answer)
            hook.add_done_callback(lambda _: self._woken.set())
            await self._until(
                lambda: hook.done() or self._wish == Wish.ABANDON, deadline=self._deadline
            )
            if hook.done():
                hook.result()
            else:
                hook.cancel()
                self._logger.error("`on_stop` did not end in time and was cancelled.")
        except Exception:
            self._logger.exception("`on_stop` failed. Stopping goes on without it.")

    async def _see_out(self) -> None:
        deadline = min(self._deadline, self._loop.time() + self._grace_seconds)
        await self._until(lambda: not self._work or self._wish == Wish.ABANDON, deadline=deadline)
        if not self._work:
            return
        self._logger.error(
            "Left behind after a grace period of %g s, and cancelled: %s",
            self._grace_seconds,
            self._describe_work(),
        )
        for task in list(self._work):
            task.cancel()
        await self._until(lambda: not self._work, deadline=self._loop.time() + LAST_WORD_SECONDS)

    def _describe_work(self) -> str:
        names = [f"{owner.name}: {_name_of(task)}" for task, owner in self._work.items()]
        more = len(names) - NAMED_AT_MOST
        return "; ".join(names[:NAMED_AT_MOST]) + (f"; and {more} more" if more > 0 else "")

    async def _close(self, closing: Awaitable[object], what: str) -> None:
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await closing
        except Exception:
            self._logger.exception("%s could not be closed in order.", what)

    # The thread

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_task(self._serve(), context=self._context)
        try:
            self._run_to_its_end(serving)
        except BaseException as error:
            if self._arrived.done():
                self._logger.critical("The event loop broke down.", exc_info=True)
            else:
                self._arrived.set_exception(error)
        finally:
            self._close_loop()
            for submission in list(self._unanswered):
                self._give(submission, submission.lost("it was left behind"))
            self._ended.set()

    def _run_to_its_end(self, serving: asyncio.Task[None]) -> None:
        while not serving.done():
            try:
                self._loop.run_until_complete(serving)
            except (SystemExit, KeyboardInterrupt):
                if serving.done():
                    raise
                # asyncio lets these out of the loop, whichever of thousands of tasks raised them.
                self._logger.exception("The event loop was told to exit; it goes on.")

    def _close_loop(self) -> None:
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        try:
            if left:
                self._loop.run_until_complete(asyncio.wait(left, timeout=LAST_WORD_SECONDS))
            ending = asyncio.wait_for(self._loop.shutdown_asyncgens(), CLOSING_SECONDS)
            self._loop.run_until_complete(ending)
        except BaseException:
            self._logger.exception("The event loop did not close in order.")
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()


def _name_of(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", None) or repr(coroutine)
