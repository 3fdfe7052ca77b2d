"""What is written down, and what the vendor has, at each border of the walk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.ledger.leases import steady
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.walker import Errand, walk

OpenHouse = Callable[..., Any]
MakeErrand = Callable[..., Awaitable[Errand]]

MONEY: dict[Border, tuple[Stage | None, int]] = {
    Border.BEFORE_INTENT: (None, 0),
    Border.AFTER_INTENT: (Stage.INTENDED, 0),
    Border.BEFORE_REQUEST: (Stage.INTENDED, 0),
    Border.AFTER_ANSWER: (Stage.INTENDED, 1),
    Border.AFTER_TICKET: (Stage.ACCEPTED, 1),
}
"""The stage in the ledger, and how many the vendor has accepted."""
VIDEO: dict[Border, tuple[Stage, bool]] = {
    Border.BEFORE_END: (Stage.ACCEPTED, False),
    Border.AFTER_END: (Stage.READY, False),
    Border.BEFORE_DOWNLOAD: (Stage.READY, False),
    Border.AFTER_DOWNLOAD: (Stage.READY, False),
    Border.BEFORE_RENAME: (Stage.READY, False),
    Border.BEFORE_DELIVERY: (Stage.READY, True),
    Border.AFTER_DELIVERY: (Stage.DONE, True),
}
"""The stage, and whether a file has the clip's name."""


@pytest.mark.parametrize("vendor", ["runware", "pixazo"])
async def test_what_is_written_around_a_purchase(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """The intent before the request leaves, the ticket before anything else happens."""
    given = await errand(vendor)
    seen: dict[Border, tuple[Stage | None, int]] = {}

    def passing(border: Border) -> None:
        if border in MONEY:
            state = house.ledger.state(given.job.key)
            stage = None if state is None else state.stage
            seen[border] = (stage, accepted(sandbox))

    async with open_house(passing=passing) as house:
        assert (await walk(house, given)).stage is Stage.DONE
    assert seen == MONEY
    assert list(seen) == list(MONEY)


async def test_what_is_written_around_a_video(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """A file has its name only once it was looked at, and is called done only after that."""
    given = await errand("fal")
    seen: dict[Border, tuple[Stage, bool]] = {}

    def passing(border: Border) -> None:
        if border in VIDEO:
            state = house.ledger.state(given.job.key)
            named = [file for file in house.folder.glob("*.mp4") if file.name[0] != "."]
            seen[border] = (state.stage, bool(named))

    async with open_house(passing=passing) as house:
        assert (await walk(house, given)).stage is Stage.DONE
    assert seen == VIDEO
    assert list(seen) == list(VIDEO)


async def test_who_slept_over_the_lease_sends_nothing(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Suspended between intent and request: that intent is given up, and the next one is sent."""
    given, crossed = await errand("pixazo"), Counter[Border]()

    def passing(border: Border) -> None:
        crossed[border] += 1
        if border is Border.AFTER_INTENT and crossed[border] == 1:
            leases._steady = lambda: steady() + 2 * leases.seconds  # a clock that ran in its sleep

    async with open_house(passing=passing) as house:
        leases = house.ledger._leases
        assert (await walk(house, given)).stage is Stage.DONE
    assert (crossed[Border.AFTER_INTENT], crossed[Border.BEFORE_REQUEST]) == (2, 1)
    assert accepted(sandbox) == 1


def accepted(sandbox: Sandbox) -> int:
    """As the vendors count, without asking the loop that this runs beside."""
    assert sandbox.house is not None
    return sandbox.house.desk.engine.purchases.total()
