"""Coroutines called from code that does not await -> run to their end, and their answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def is_awaiting() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_to_end(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Here where that is possible; in a thread of its own where a loop runs here (a notebook)."""
    if not is_awaiting():
        return asyncio.run(work())
    with ThreadPoolExecutor(1, thread_name_prefix="omnihuman call") as aside:
        return aside.submit(copy_context().run, lambda: asyncio.run(work())).result()


def run_unless_awaiting(
    work: Callable[[], Coroutine[Any, Any, T]], *, call: str, instead: str
) -> T:
    """For methods with an async twin: blocking a loop for minutes is never what was meant."""
    if is_awaiting():
        raise RuntimeError(
            f"`{call}` would block the event loop that runs here for minutes. Write `{instead}`."
        )
    return asyncio.run(work())
