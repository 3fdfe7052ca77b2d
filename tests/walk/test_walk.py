"""One job from intent to checked clip, and every way in which it can go another way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest

from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import CostBasis
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.gate import Stopped
from omnihuman_blocks.walk.walker import Ending, Errand, walk

VENDORS = list(PROVIDERS)
OpenHouse = Callable[..., Any]


class MakeErrand(Protocol):
    def __call__(
        self,
        vendor: str,
        number: int = 0,
        *,
        again: bool = False,
        paid_too: bool = False,
        **wishes: object,
    ) -> Awaitable[Errand]: ...


async def until(condition: Callable[[], object]) -> None:
    """Waits for something to have happened, with a deadline."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it happens in another thread
            await asyncio.sleep(0.01)


def requests(sandbox: Sandbox) -> int:
    """How often any vendor was asked anything."""
    return sum(sum(vendor.requests.values()) for vendor in sandbox.counts().vendors.values())


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_job_walks_to_a_checked_clip(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, tmp_path: Path, vendor: str
) -> None:
    """Bought once, fetched, decoded, and its charge is known as well as the vendor tells it."""
    given = await errand(vendor)
    async with open_house() as house:
        ending = await walk(house, given)
        assert ending == Ending(key=given.job.key, stage=Stage.DONE, bought=1)
        state = house.ledger.state(given.job.key)
    assert (tmp_path / "videos" / state.clip.file).stat().st_size == state.clip.size
    assert state.clip.likeness > 0.9
    assert sandbox.counts().accepted() == 1
    basis = {
        "runware": CostBasis.REPORTED,
        "fal": CostBasis.DURATION,
        "aimlapi": CostBasis.CREDITS,
    }.get(vendor)
    if basis is None:  # no price is published, so nobody knows
        assert state.charge is None
        assert state.unknown_charges == 1
    else:
        assert state.charge.basis is basis
        charged = float(sandbox.counts().charged_usd())
        assert float(state.charge.usd) == pytest.approx(charged, rel=0.02)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_finished_job_is_not_bought_again(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """The second walk ends where the first one ended, and asks the vendor nothing."""
    given = await errand(vendor)
    async with open_house() as house:
        await walk(house, given)
    asked = requests(sandbox)
    async with open_house() as house:
        assert await walk(house, given) == Ending(key=given.job.key, stage=Stage.DONE, bought=0)
    assert requests(sandbox) == asked


@pytest.mark.parametrize("vendor", ["runware", "aimlapi"])
async def test_a_lost_answer_heals_where_the_vendor_offers_a_way(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """It was accepted, its answer was lost; it is found, not bought again."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}, "times": 1})
    async with open_house() as house:
        ending = await walk(house, await errand(vendor))
    assert ending.stage is Stage.DONE
    assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", ["fal", "pixazo"])
async def test_a_lost_answer_is_held_where_the_vendor_offers_none(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """In doubt, and still in doubt on the next walk; never sent again."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}, "times": 1})
    given = await errand(vendor)
    for _ in range(2):
        async with open_house() as house:
            assert (await walk(house, given)).stage is Stage.IN_DOUBT
    assert sandbox.counts().accepted() == 1


async def test_too_many_requests_only_delay(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Turned away twice, bought once, and the reservation of each try was given back."""
    effect = {"kind": "too_many_requests", "retry_after": 0.01}
    sandbox.faults.add({"operation": "submit", "effect": effect, "when": {"first": 2}})
    given = await errand("fal")
    async with open_house(budget=Decimal("0.60")) as house:
        ending = await walk(house, given)
        state = house.ledger.state(given.job.key)
    assert (ending.stage, ending.bought) == (Stage.DONE, 1)
    assert state.reserved_usd == 0


async def test_a_vendor_that_sells_only_a_few_at_a_time_gets_only_a_few(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Twelve jobs against a vendor that now and then has too many: all done, each bought once."""
    effect = {"kind": "too_many_requests", "retry_after": 0.02}
    sandbox.faults.add({"operation": "submit", "effect": effect, "when": {"every": 3}})
    errands = [await errand("pixazo", number) for number in range(12)]
    async with open_house() as house:
        endings = await asyncio.gather(*(walk(house, given) for given in errands))
        assert house.desk("pixazo").gate.limit < 100
    assert {ending.stage for ending in endings} == {Stage.DONE}
    assert sandbox.counts().accepted() == 12


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_blocked_account_stops_everybody_and_costs_nothing(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """The first refusal closes the gate: the others are not even tried."""
    sandbox.settings.change({vendor: {"blocked": "balance"}})
    errands = [await errand(vendor, number) for number in range(6)]
    async with open_house(most=2) as house:
        endings = await asyncio.gather(*(walk(house, given) for given in errands))
    assert {(ending.stage, ending.error_class) for ending in endings} == {
        (Stage.OPEN, "AccountBlocked")
    }
    assert sandbox.counts().accepted() == 0
    assert sandbox.counts().vendors[vendor].requests["submit"] <= 2  # type: ignore[index]
    sandbox.settings.change({vendor: {"blocked": None}})
    async with open_house() as house:
        endings = await asyncio.gather(*(walk(house, given) for given in errands))
    assert {ending.stage for ending in endings} == {Stage.DONE}


async def test_a_failure_that_is_free_and_retryable_heals_in_the_same_walk(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """fal says: try again, and charges nothing. A new attempt is bought, at most twice."""
    effect = {"kind": "fails", "failure": "internal", "retryable": True}
    sandbox.faults.add({"operation": "generate", "effect": effect, "when": {"first": 1}})
    given = await errand("fal")
    async with open_house() as house:
        ending = await walk(house, given)
        assert house.ledger.state(given.job.key).attempt == 2
    assert (ending.stage, ending.bought) == (Stage.DONE, 2)
    assert sandbox.counts().charged() == 1


async def test_a_vendor_that_fails_for_ever_is_not_asked_for_ever(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """One purchase and two free retries; then it is failed, for a person."""
    effect = {"kind": "fails", "failure": "internal", "retryable": True}
    sandbox.faults.add({"operation": "generate", "effect": effect})
    async with open_house() as house:
        ending = await walk(house, await errand("fal"))
    assert (ending.stage, ending.bought) == (Stage.FAILED, 3)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_failure_for_good_is_bought_again_only_on_request(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """Walked again it stays failed; asked for, it is a new attempt, and done."""
    effect = {"kind": "fails", "failure": "content", "retryable": False}
    sandbox.faults.add({"operation": "generate", "effect": effect, "when": {"first": 1}})
    given = await errand(vendor)
    for _ in range(2):
        async with open_house() as house:
            assert (await walk(house, given)).stage is Stage.FAILED
    assert sandbox.counts().accepted() == 1
    async with open_house() as house:
        ending = await walk(house, replace(given, again=True, paid_too=True))
        assert house.ledger.state(given.job.key).attempt == 2
    assert (ending.stage, ending.bought) == (Stage.DONE, 1)


@pytest.mark.parametrize(
    "effect",
    [
        {"kind": "truncated"},
        {"kind": "empty"},
        {"kind": "html"},
        {"kind": "expired", "status": 403},
        {"kind": "other_video"},
    ],
)
async def test_a_bad_delivery_is_fetched_again_and_never_bought_again(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, effect: dict[str, object]
) -> None:
    """The first download is wrong; the second is right; one purchase."""
    sandbox.settings.change({"outputs": {"renewed": True}})
    other, given = await errand("fal", 1), await errand("fal", 2)
    async with open_house() as house:
        await walk(house, other)  # somebody else's video, to be swapped in
        rule = {"operation": "download", "effect": effect, "when": {"first": 1}}
        sandbox.faults.add(rule)
        ending = await walk(house, given)
    assert ending.stage is Stage.DONE
    assert sandbox.counts().accepted() == 2


async def test_a_delivery_that_stays_wrong_is_spoiled_with_the_evidence(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Another row's video, every time: failed, marked as paid, kept aside, not bought again."""
    other, given = await errand("fal", 1), await errand("fal", 2)
    async with open_house() as house:
        await walk(house, other)
        sandbox.faults.add({"operation": "download", "effect": {"kind": "other_video"}})
        assert (await walk(house, given)).stage is Stage.SPOILED
        state = house.ledger.state(given.job.key)
        sandbox.faults.clear()
        assert (await walk(house, given)).stage is Stage.SPOILED
    assert state.error.name == "BadDelivery"
    assert "not this row's audio" in state.error.message
    assert state.charge.usd > 0
    assert (tmp_path / "videos" / f"{given.job.key}.rejected.mp4").is_file()
    assert sandbox.counts().accepted() == 2


async def test_a_deleted_file_is_fetched_again_and_not_bought(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The vendor still has it: one more download, no purchase."""
    given = await errand("runware")
    async with open_house() as house:
        await walk(house, given)
        file = tmp_path / "videos" / house.ledger.state(given.job.key).clip.file
        file.unlink()
        assert (await walk(house, given)).stage is Stage.DONE
    assert file.is_file()
    assert sandbox.counts().accepted() == 1


async def test_a_budget_is_never_exceeded(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Ten jobs at $0.48 at most each, one dollar: two are bought, the rest says why not."""
    errands = [await errand("fal", number) for number in range(10)]
    async with open_house(budget=Decimal("1.00")) as house:
        endings = await asyncio.gather(*(walk(house, given) for given in errands))
    done = [ending for ending in endings if ending.stage is Stage.DONE]
    assert 1 <= len(done) <= 3
    assert {ending.error_class for ending in endings if ending not in done} == {"OverBudget"}
    assert sandbox.counts().charged_usd() <= Decimal("1.00")


async def test_without_a_price_nothing_is_bought_under_a_budget(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """A cap that cannot be kept is not risked."""
    async with open_house(budget=Decimal(100)) as house:
        ending = await walk(house, await errand("pixazo"))
    assert ending.error_class == "OverBudget"
    assert "--price" in str(ending.error_message)
    assert sandbox.counts().accepted() == 0


async def test_a_job_that_never_ends_stays_pending_with_its_ticket(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Patience ends; the next walk asks again and finds it finished."""
    rule = sandbox.faults.add({"operation": "generate", "effect": {"kind": "slower", "factor": 20}})
    assert rule.id
    given = await errand("aimlapi")
    async with open_house(patience=0.5) as house:
        assert (await walk(house, given)).stage is Stage.ACCEPTED
    async with open_house() as house:
        assert (await walk(house, given)).stage is Stage.DONE
    assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", VENDORS)
async def test_stumbles_everywhere_change_nothing_but_the_time(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """A third of all questions and downloads fail in every way; each job is bought once."""
    for number, effect in enumerate(
        (
            {"kind": "dropped"},
            {"kind": "server_error", "form": "html", "status": 502},
            {"kind": "too_many_requests", "retry_after": 0.01},
        )
    ):
        for operation in ("status", "result"):
            sandbox.faults.add(
                {
                    "vendor": vendor,
                    "operation": operation,
                    "effect": effect,
                    "when": {"probability": 0.1},
                    "seed": number,
                }
            )
    errands = [await errand(vendor, number) for number in range(4)]
    async with open_house() as house:
        endings = await asyncio.gather(*(walk(house, given) for given in errands))
    assert {ending.stage for ending in endings} == {Stage.DONE}
    assert sandbox.counts().accepted() == 4


async def test_two_houses_on_one_ledger_buy_each_job_once_and_both_end(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Two that know nothing of each other walk the same jobs at the same time."""
    errands = [await errand(vendor, n) for n in range(3) for vendor in VENDORS]
    async with open_house() as one, open_house() as two:
        endings = await asyncio.gather(
            *(walk(house, given) for given in errands for house in (one, two))
        )
    assert {ending.stage for ending in endings} == {Stage.DONE}
    assert sandbox.counts().accepted() == len(errands)


async def test_stopping_lets_a_purchase_end_and_keeps_its_ticket(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Cancelled in the middle of an answer: the ticket is written down before the walk ends."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "slow", "seconds": 0.5}})
    given = await errand("fal")
    async with open_house() as house:
        walking = asyncio.ensure_future(walk(house, given))
        await until(lambda: sandbox.counts().accepted())
        await house.stop("stopped by a test")
        walking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walking
        state = house.ledger.state(given.job.key)
        assert state.stage is Stage.ACCEPTED
        blocked = await walk(house, await errand("fal", 1))
    # That somebody wanted to stop is no error of the row.
    assert (blocked.stage, blocked.bought, blocked.error_class) == (Stage.OPEN, 0, None)
    assert isinstance(house.desk("fal").gate.closed, Stopped)
    async with open_house() as house:
        assert (await walk(house, given)).stage is Stage.DONE
    assert sandbox.counts().accepted() == 1


async def test_an_outage_of_lost_answers_closes_the_gate(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """A thousand lost answers would be a thousand riddles: after three nothing more is sent."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}})
    errands = [await errand("pixazo", number) for number in range(8)]
    async with open_house(most=1) as house:
        endings = await asyncio.gather(*(walk(house, given) for given in errands))
    stages = [ending.stage for ending in endings]
    assert stages.count(Stage.IN_DOUBT) == 3
    assert stages.count(Stage.OPEN) == 5
    assert sandbox.counts().accepted() == 3
