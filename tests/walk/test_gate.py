"""The gate: places, "too many", and when nobody may buy any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omnihuman_blocks.errors import AccountBlocked, InDoubt, OmniHumanError, OverBudget
from omnihuman_blocks.walk.gate import DOUBTS_IN_A_ROW, Gate, GateClosed, Stopped


async def test_no_more_jobs_are_out_than_there_are_places() -> None:
    """Fifty jobs, five places: never more than five at once, and all get their turn."""
    gate, most, served = Gate("vendor", most=5), 0, 0

    async def job() -> None:
        nonlocal most, served
        async with gate.place():
            most = max(most, gate.out)
            await asyncio.sleep(0)
            served += 1

    await asyncio.gather(*(job() for _ in range(50)))
    assert most == 5
    assert served == 50
    assert gate.out == 0


async def test_a_job_that_the_vendor_has_is_never_turned_away() -> None:
    """What was bought before is waited for, even where the gate is full or closed."""
    gate = Gate("vendor", most=1)
    gate.close(Stopped("enough"))
    async with gate.place(held=True), gate.place(held=True):
        assert gate.out == 2


async def test_closing_wakes_everybody_who_waits_with_the_first_reason() -> None:
    """Nobody hangs at a closed gate."""
    gate = Gate("vendor", most=1)
    async with gate.place():
        waiting = [asyncio.ensure_future(gate.place().__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.close(AccountBlocked("no credit"))
        gate.close(Stopped("later"))
        for waiter in waiting:
            with pytest.raises(GateClosed, match="no credit") as caught:
                await asyncio.wait_for(waiter, 5)
            assert isinstance(caught.value.cause, AccountBlocked)


async def test_a_cancelled_waiter_takes_no_place() -> None:
    """Leaving the queue leaves no hole behind."""
    gate = Gate("vendor", most=1)
    async with gate.place():
        waiter = asyncio.ensure_future(gate.place().__aenter__())
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    assert gate.out == 0
    async with gate.place():
        assert gate.out == 1


async def test_too_many_narrows_and_every_sale_at_the_limit_widens() -> None:
    """Down below what was out, up by one with each purchase that is accepted, up to the cap."""
    gate = Gate("vendor", most=10)
    async with gate.place(), gate.place(), gate.place():
        gate.turned_away()
        assert gate.limit == 1
        gate.accepted()
        assert gate.limit == 2
        for _ in range(20):
            gate.accepted()
        assert gate.limit == 4  # at the limit no longer, so it is not known that more would fit


async def test_three_lost_answers_in_a_row_close_the_gate() -> None:
    """An outage must not hand a person a thousand riddles; one loss among sales is bad luck."""
    gate = Gate("vendor", most=10)
    for _ in range(DOUBTS_IN_A_ROW - 1):
        gate.doubted(InDoubt("lost"))
    gate.accepted()
    for _ in range(DOUBTS_IN_A_ROW - 1):
        gate.doubted(InDoubt("lost"))
    gate.check()
    gate.doubted(InDoubt("the last one"))
    with pytest.raises(GateClosed, match="the last one") as caught:
        gate.check()
    assert isinstance(caught.value.cause, InDoubt)


async def test_a_gate_is_tried_again_after_a_while_by_one_job_at_a_time() -> None:
    """The account was paid meanwhile, or it was not: one purchase finds out, not a hundred."""
    gate = Gate("vendor", most=10)
    gate.close(AccountBlocked("no credit"))
    assert not gate.reopen()
    assert gate.reopen(after=0)
    assert (gate.closed, gate.limit) == (None, 1)
    async with gate.place():
        waiting = asyncio.ensure_future(gate.place().__aenter__())
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.close(AccountBlocked("still no credit"))
        with pytest.raises(GateClosed, match="still"):
            await waiting
    assert gate.reopen(after=0)
    async with gate.place():
        gate.accepted()
    assert gate.limit == 2


@pytest.mark.parametrize("cause", [InDoubt("an outage"), OverBudget("wrong"), Stopped("enough")])
async def test_what_only_a_person_can_judge_stays_closed(cause: OmniHumanError) -> None:
    """Riddles, bills above their reservation, and somebody who wanted to stop."""
    gate = Gate("vendor", most=10)
    gate.close(cause)
    assert not gate.reopen(after=0)
    assert gate.closed is cause


async def test_a_place_that_was_given_to_somebody_who_left_is_given_on() -> None:
    """It is cancelled after its turn came and before it noticed."""
    gate = Gate("vendor", most=1)
    place = gate.place()
    await place.__aenter__()
    others = [gate.place() for _ in range(2)]  # kept: a place that nobody holds on to is left
    first, second = (asyncio.ensure_future(each.__aenter__()) for each in others)
    await asyncio.sleep(0)
    await place.__aexit__(None, None, None)
    first.cancel()
    await asyncio.wait([first, second])
    assert first.cancelled()
    assert gate.out == 1


async def test_who_leaves_wakes_one_of_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else ten thousand rows would be woken ten thousand times."""
    gate = Gate("vendor", most=1)
    place = gate.place()
    await place.__aenter__()
    others = [gate.place() for _ in range(1000)]
    waiting = [asyncio.ensure_future(each.__aenter__()) for each in others]
    await asyncio.sleep(0)
    loop, woken = asyncio.get_running_loop(), []
    call_soon = loop.call_soon

    def counted(*arguments: Any, **options: Any) -> Any:
        woken.append(arguments[0])
        return call_soon(*arguments, **options)

    monkeypatch.setattr(loop, "call_soon", counted)
    await place.__aexit__(None, None, None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [each.done() for each in waiting].count(True) == 1
    assert waiting[0].done()
    assert len(woken) < 10
    gate.close(Stopped("enough"))
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(end, GateClosed) for end in ends] == [False, *[True] * 999]
    assert gate.out == 1
