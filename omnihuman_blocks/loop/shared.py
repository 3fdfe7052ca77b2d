"""A key and how to open it -> one object for everybody on this event loop, closed before it ends.

An HTTP client, a limiter or a connection belongs to the event loop on which it was opened. Some
task runners keep one loop for thousands of tasks (ours), others start one for each (Prefect's
thread pool), a script has the one of `asyncio.run`. Whoever asks here need not know which: the
first to ask opens, the others wait for that, and when the loop shuts down, what is shared closes
after the tasks that may use it, in the reverse order of opening.

Each object is kept by a task of its own, opened and closed in it, in an empty context: it carries
nothing of the caller who happened to be first, and does not end with that caller's cancellation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

T = TypeVar("T")

Opener = Callable[[], AbstractAsyncContextManager[T]]


async def shared(key: Hashable, open_it: Opener[T]) -> T:
    """The object under `key` on the running loop, opened if nobody did so before.

    An opening that fails raises for everybody who waits for it; the next one to ask tries again.
    It is closed when the loop shuts down the way `asyncio.run` does it: by cancelling what is left.
    """
    loop = asyncio.get_running_loop()
    shelf = _shelves.get(loop)
    if shelf is None:
        shelf = _shelves[loop] = _Shelf(loop)
    return cast("T", await asyncio.shield(shelf.take(key, open_it)))


def existing(key: Hashable) -> Any:
    """What is open under `key` on the running loop, or None. Opens nothing."""
    shelf = _shelves.get(asyncio.get_running_loop())
    return None if shelf is None else shelf.peek(key)


async def close_shared() -> None:
    """Closes everything on the running loop now, where something else must close after it."""
    shelf = _shelves.get(asyncio.get_running_loop())
    if shelf is not None:
        await shelf.close()


@dataclass(frozen=True, kw_only=True)
class _Kept:
    opened: asyncio.Future[Any]
    keeper: asyncio.Task[None]


class _Shelf:
    """The shared objects of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kept: dict[Hashable, _Kept] = {}
        self._keepers: list[asyncio.Task[None]] = []
        """Those that have opened, in the order in which they did."""
        self._closing = asyncio.Event()

    def take(self, key: Hashable, open_it: Opener[Any]) -> asyncio.Future[Any]:
        kept = self._kept.get(key)
        if kept is None:
            opened = self._loop.create_future()
            keeping = self._keep(key, open_it, opened)
            keeper = self._loop.create_task(keeping, name=f"keeper of {key}", context=Context())
            kept = self._kept[key] = _Kept(opened=opened, keeper=keeper)
        return kept.opened

    def peek(self, key: Hashable) -> Any:
        kept = self._kept.get(key)
        return kept.opened.result() if kept is not None and kept.keeper in self._keepers else None

    async def close(self) -> None:
        keepers = [kept.keeper for kept in self._kept.values()]
        self._closing.set()
        for keeper in keepers:
            if keeper not in self._keepers:
                keeper.cancel()
        outcomes = await asyncio.gather(*keepers, return_exceptions=True)
        if errors := [each for each in outcomes if isinstance(each, Exception)]:
            raise ExceptionGroup("Shared objects could not be closed.", errors)

    async def _keep(self, key: Hashable, open_it: Opener[Any], opened: asyncio.Future[Any]) -> None:
        keeper = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            async with open_it() as value:
                self._keepers.append(keeper)
                opened.set_result(value)
                await self._nobody_needs(keeper)
        except asyncio.CancelledError:
            opened.cancel()
            raise
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)
            opened.exception()  # whoever asked may have gone; that is no news for a log
        finally:
            self._forget(key, keeper)

    async def _nobody_needs(self, keeper: asyncio.Task[None]) -> None:
        try:
            await self._closing.wait()
        except asyncio.CancelledError:
            # The loop shuts down and has told every task to end. Those that use what is kept
            # here may still be saying their last word to it.
            await _have_ended(asyncio.all_tasks().difference(self._keepers))
        await _have_ended(self._keepers[self._keepers.index(keeper) + 1 :])

    def _forget(self, key: Hashable, keeper: asyncio.Task[None]) -> None:
        del self._kept[key]
        if keeper in self._keepers:
            self._keepers.remove(keeper)
        if not self._kept:
            _shelves.pop(self._loop, None)


_shelves: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shelf] = WeakKeyDictionary()


async def _have_ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    if waiting := list(tasks):
        await asyncio.wait(waiting)
