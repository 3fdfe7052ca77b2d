"""One object per event loop, whoever runs the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar

import pytest

from omnihuman_blocks.loop.shared import close_shared, existing, shared

Opener = Callable[[], AbstractAsyncContextManager[str]]

of_the_caller: ContextVar[str] = ContextVar("of_the_caller", default="nobody")


def opener(diary: list[str], name: str) -> Opener:
    @asynccontextmanager
    async def open_it() -> AsyncIterator[str]:
        diary.append(f"open {name}")
        await asyncio.sleep(0)
        yield name
        await asyncio.sleep(0)
        diary.append(f"close {name}")

    return open_it


def test_everybody_on_a_loop_gets_the_object_that_was_opened_once() -> None:
    """A hundred that ask at the same time share one opening."""
    diary: list[str] = []

    async def ask_often() -> set[str]:
        asked = (shared("house", opener(diary, "house")) for _ in range(100))
        return set(await asyncio.gather(*asked))

    assert asyncio.run(ask_often()) == {"house"}
    assert diary == ["open house", "close house"]


def test_each_loop_has_its_own() -> None:
    """What belongs to a loop that has ended is not handed out on the next."""
    diary: list[str] = []
    for _ in range(2):
        asyncio.run(shared("house", opener(diary, "house")))
    assert diary == ["open house", "close house"] * 2


def test_it_closes_in_reverse_after_the_tasks_of_the_loop_have_ended() -> None:
    """A task that is cancelled at the end of the loop can still use what it shares."""
    diary: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            diary.append(f"last word to {existing('ledger')}")

    async def main() -> None:
        await shared("client", opener(diary, "client"))
        await shared("ledger", opener(diary, "ledger"))
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, linger())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert diary == [
        "open client",
        "open ledger",
        "last word to ledger",
        "close ledger",
        "close client",
    ]


async def test_a_cancelled_caller_does_not_take_the_opening_with_it() -> None:
    """The first row may give up; the second still gets the house that the first began to open."""
    may_open = asyncio.Event()

    @asynccontextmanager
    async def open_slowly() -> AsyncIterator[str]:
        await may_open.wait()
        yield "house"

    first = asyncio.create_task(shared("house", open_slowly))
    await asyncio.sleep(0)
    second = asyncio.create_task(shared("house", open_slowly))
    await asyncio.sleep(0)
    first.cancel()
    may_open.set()
    assert await second == "house"
    assert first.cancelled()


async def test_an_opening_that_fails_is_tried_again() -> None:
    """A failure reaches those who waited, and does not stay."""
    failures = [ConnectionError("not yet")]

    @asynccontextmanager
    async def open_it() -> AsyncIterator[str]:
        if failures:
            raise failures.pop()
        yield "house"

    with pytest.raises(ConnectionError, match="not yet"):
        await shared("house", open_it)
    assert existing("house") is None
    assert await shared("house", open_it) == "house"


async def test_what_is_shared_carries_nobodys_context() -> None:
    """The caller who happened to be first leaves no trace in what all others use."""

    @asynccontextmanager
    async def open_it() -> AsyncIterator[str]:
        yield of_the_caller.get()

    of_the_caller.set("the first")
    assert await shared("house", open_it) == "nobody"


async def test_close_shared_closes_now_and_the_next_to_ask_opens_again() -> None:
    """Closing early is closing once."""
    diary: list[str] = []
    await shared("house", opener(diary, "house"))
    await close_shared()
    await close_shared()
    assert diary == ["open house", "close house"]
    assert existing("house") is None
    await shared("house", opener(diary, "house"))
    assert diary == ["open house", "close house", "open house"]


async def test_an_opening_that_is_still_under_way_is_called_off_by_closing() -> None:
    """Nothing is opened after the loop's shared objects were closed."""

    @asynccontextmanager
    async def open_for_ever() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield "never"

    asking = asyncio.create_task(shared("house", open_for_ever))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await close_shared()
    with pytest.raises(asyncio.CancelledError):
        await asking
