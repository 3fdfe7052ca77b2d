"""A paid file that the checks were wrong about is delivered when they are set right: not bought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omnihuman_blocks.domain.checks import understand_checks
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.walker import walk

OpenHouse = Callable[..., Any]
MakeErrand = Callable[..., Any]
TOO_STRICT = {"likeness": "1"}


async def spoiled(house: Any, given: Any) -> Path:
    """Checks that no video passes: the file is kept aside."""
    house.thresholds = understand_checks(TOO_STRICT)
    assert (await walk(house, given)).stage is Stage.SPOILED
    (aside,) = house.folder.glob("*.rejected.*")
    assert isinstance(aside, Path)
    return aside


@pytest.mark.parametrize("was_killed", [False, True])
async def test_a_file_that_passes_now_is_delivered(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, *, was_killed: bool
) -> None:
    """Also where somebody was killed after the file had its name and before that was written."""
    given = await errand("fal")
    async with open_house() as house:
        aside = await spoiled(house, given)
        if was_killed:
            aside.rename(aside.with_name(aside.name.replace(".rejected", "")))
        house.thresholds = understand_checks({})
        again = await walk(house, replace(given, again=True, paid_too=True))
        assert (again.stage, again.bought) == (Stage.DONE, 0)
        state = house.ledger.state(given.job.key)
        life = house.ledger.history(given.job.key)
    assert (house.folder / state.clip.file).is_file()
    assert not list(house.folder.glob("*.rejected.*"))
    assert state.checks["verdict"] == "good"
    assert state.error is None
    assert "attempt 2" not in life
    assert sandbox.counts().accepted() == 1


async def test_a_file_that_still_fails_is_bought_again_as_was_asked(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Naming the class of the error means to pay for another one."""
    given = await errand("fal")
    async with open_house() as house:
        await spoiled(house, given)
        again = await walk(house, replace(given, again=True, paid_too=True))
        assert (again.stage, again.bought) == (Stage.SPOILED, 1)
    assert sandbox.counts().accepted() == 2


async def test_nobody_is_delivered_what_nobody_asked_for(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """A run of every night does not judge anew what a person has seen as failed."""
    given = await errand("fal")
    seen: list[Border] = []
    async with open_house(passing=seen.append) as house:
        await spoiled(house, given)
        house.thresholds = understand_checks({})
        assert (await walk(house, given)).stage is Stage.SPOILED
    assert Border.BEFORE_DELIVERY not in seen
    assert sandbox.counts().accepted() == 1
