"""Lost answers, healed by the vendor's own callback; and callbacks that lie."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.walker import Errand, walk

Receiver: TypeAlias = Any
OpenHouse: TypeAlias = Any
MakeErrand: TypeAlias = Callable[..., Errand]
"""See `conftest.py`."""

CALLERS = ["runware", "fal", "pixazo"]
NO_WAY_TO_ASK = ["fal", "pixazo"]


def lose_the_answer(sandbox: Sandbox) -> None:
    lost = {"kind": "lost_answer"}
    sandbox.faults.add({"operation": "submit", "when": {"first": 1}, "effect": lost})


@pytest.mark.parametrize("vendor", NO_WAY_TO_ASK)
async def test_a_lost_answer_is_healed_while_it_is_waited_for(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand, vendor: str
) -> None:
    """The callback brings the ticket, the rest is asked with our key: bought once, and here."""
    lose_the_answer(sandbox)
    given = errand(vendor)
    async with house(receiver.url) as here:
        ending = await walk(here, given)
    assert (ending.stage, sandbox.counts().accepted()) == (Stage.DONE, 1)
    assert receiver.counted() == {"adopted": 1}
    events = [one.event for one in receiver.ledger.happenings(given.job.key)]
    assert events == ["intend", "lose", "adopt", "callback", "finish", "deliver"]


@pytest.mark.parametrize("vendor", NO_WAY_TO_ASK)
async def test_a_lost_answer_is_healed_while_nobody_waits(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand, vendor: str
) -> None:
    """The buyer has gone. Whoever comes next finds a ticket and buys nothing."""
    lose_the_answer(sandbox)
    given = errand(vendor)
    async with house(receiver.url) as here:
        ending = await walk(here, given, until=(Stage.IN_DOUBT, Stage.ACCEPTED))
    assert await receiver.heard(1) == {"adopted": 1}
    state = receiver.state(given.job.key)
    assert (state.stage, state.ticket.provider) == (Stage.ACCEPTED, vendor)
    async with house() as here:
        ending = await walk(here, given)
    assert (ending.stage, ending.bought, sandbox.counts().accepted()) == (Stage.DONE, 0, 1)


async def test_a_purchase_that_is_sent_again_is_called_about_too(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand
) -> None:
    """Runware: the first one never arrived, and its repeat names the same address."""
    dropped = {"kind": "dropped"}
    sandbox.faults.add({"operation": "submit", "when": {"first": 1}, "effect": dropped})
    given = errand("runware")
    async with house(receiver.url) as here:
        ending = await walk(here, given)
    assert (ending.stage, sandbox.counts().accepted()) == (Stage.DONE, 1)
    assert set(await receiver.heard(1)) <= {"news", "adopted", "repeated"}


async def test_without_a_callback_it_is_held_after_the_time_it_may_take(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand
) -> None:
    """Never bought again by the program."""
    lose_the_answer(sandbox)
    sandbox.faults.add({"effect": {"kind": "never"}})
    async with house(receiver.url, search=0.3) as here:
        ending = await walk(here, errand("fal"))
        again = await walk(here, errand("fal"))
    assert ending.stage is again.stage is Stage.IN_DOUBT
    assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", CALLERS)
async def test_a_callback_before_the_answer_is_taken(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand, vendor: str
) -> None:
    """The answer that follows says nothing new, and no alarm is raised."""
    sandbox.faults.add({"effect": {"kind": "early"}})
    given = errand(vendor)
    async with house(receiver.url) as here:
        ending = await walk(here, given)
        assert here.desk(vendor).gate.closed is None
    assert (ending.stage, ending.bought, sandbox.counts().accepted()) == (Stage.DONE, 1, 1)
    assert receiver.counted() == {"adopted": 1}
    assert receiver.state(given.job.key).further_tickets == ()


async def test_lost_answers_that_left_no_doubt_close_no_gate(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand
) -> None:
    """The gate closes so that nobody is left with a thousand riddles; these were solved at once."""
    sandbox.faults.add({"effect": {"kind": "early"}})
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}})
    async with house(receiver.url) as here:
        for number in range(4):
            ending = await walk(here, errand("fal", number), until=(Stage.READY,))
            assert (ending.stage, here.desk("fal").gate.closed) == (Stage.READY, None)
    assert receiver.counted() == {"adopted": 4}


async def test_a_callback_that_comes_twice_counts_once(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand
) -> None:
    """Vendors repeat themselves; the ledger does not."""
    sandbox.faults.add({"effect": {"kind": "twice"}})
    given = errand("pixazo")
    async with house(receiver.url) as here:
        ending = await walk(here, given)
    assert (await receiver.heard(2))["repeated"] >= 1
    assert ending.stage is Stage.DONE
    events = [one.event for one in receiver.ledger.happenings(given.job.key)]
    assert events.count("callback") <= 1


@pytest.mark.parametrize("vendor", CALLERS)
async def test_nothing_of_a_callback_is_believed_but_the_ticket(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand, vendor: str
) -> None:
    """A forged one comes first, with another video's address and no cost. fal's is told apart by
    its signature; of the others' nothing is read but an id, which is right."""
    sandbox.faults.add({"effect": {"kind": "forged"}})
    given = errand(vendor)
    async with house(receiver.url) as here:
        ending = await walk(here, given)
    assert (await receiver.heard(2)).get("forged", 0) == (1 if vendor == "fal" else 0)
    assert ending.stage is Stage.DONE
    state = receiver.state(given.job.key)
    assert "forged" not in state.outputs[0].url
    (purchase,) = sandbox.counts().purchases
    if vendor != "pixazo":
        assert state.charged_usd == purchase.charge_usd


async def test_a_callback_wakes_whoever_waits(
    sandbox: Sandbox,
    receiver: Receiver,
    house: OpenHouse,
    errand: MakeErrand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next question would be asked in half a minute."""
    monkeypatch.setattr(pacing, "FIRST_WAIT", 30.0)
    async with house(receiver.url, patience=120.0) as here, asyncio.timeout(20):
        ending = await walk(here, errand("fal"))
    assert ending.stage is Stage.DONE
    assert sandbox.counts().vendors["fal"].requests["status"] == 1


async def test_a_job_with_a_receiver_of_its_own_is_left_to_it(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand
) -> None:
    """Who wishes for `webhook_url` gets what they wished for, and questions do the rest."""
    given = errand("fal", webhook_url=f"{receiver.url}/mine")
    async with house(receiver.url) as here:
        ending = await walk(here, given)
    assert ending.stage is Stage.DONE
    assert set(receiver.counted()) <= {"unknown"}


async def test_whoever_stops_while_a_callback_is_waited_for_goes_home(
    sandbox: Sandbox,
    receiver: Receiver,
    house: OpenHouse,
    errand: MakeErrand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wait for a callback, however long, is a wait like any other."""
    monkeypatch.setattr(pacing, "FIRST_WAIT", 30.0)
    lose_the_answer(sandbox)
    sandbox.faults.add({"effect": {"kind": "never"}})
    given = errand("fal")
    async with house(receiver.url, search=120.0) as here, asyncio.timeout(15):
        walking = asyncio.ensure_future(walk(here, given))
        while not (here.ledger.in_doubt() and here._wakers):  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.02)
        await here.stop("enough")
        assert (await walking).stage is Stage.IN_DOUBT


async def test_an_answer_that_nobody_had_time_to_hear_is_healed_too(
    sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand
) -> None:
    """The grace period ended before the vendor answered: in doubt, and said so in plain words."""
    slow = {"kind": "slow", "seconds": 5.0}
    sandbox.faults.add({"operation": "submit", "when": {"first": 1}, "effect": slow})
    given = errand("fal")
    async with house(receiver.url) as here, asyncio.timeout(15):
        walking = asyncio.ensure_future(walk(here, given))
        while not sandbox.counts().accepted():  # noqa: ASYNC110 - it happens in a sandbox
            await asyncio.sleep(0.02)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        (purchase,) = (task for task in others if "_purchase" in repr(task.get_coro()))
        purchase.cancel()
        await asyncio.wait([purchase, walking])
    assert walking.cancelled()
    await receiver.heard(1)
    lost, *_ = (one for one in receiver.ledger.happenings(given.job.key) if one.event == "lose")
    assert "cut off by somebody who could not wait" in str(lost.detail)
    async with house() as here:
        assert (await walk(here, given)).stage is Stage.DONE
    assert sandbox.counts().accepted() == 1
