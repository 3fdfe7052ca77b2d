"""Two processes that fetch the same video at the same time, and are not sent the same bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk import fetching
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.house import House
from omnihuman_blocks.walk.walker import Errand, walk

OpenHouse = Callable[..., Any]
MakeErrand = Callable[..., Awaitable[Errand]]
FREE_BOX = b"\x00\x00\x00\x08free"
"""Eight bytes that a player skips."""


class Killed(BaseException):
    """The process ends here, as far as it can see."""


def dies(border: Border) -> None:
    if border is Border.AFTER_DOWNLOAD:
        raise Killed


def is_what_the_ledger_says(house: House, key: JobKey) -> bool:
    state = house.ledger.state(key)
    assert state is not None
    assert state.clip is not None
    return sha256((house.folder / state.clip.file).read_bytes()).hexdigest() == state.clip.sha256


async def test_a_wrong_file_never_takes_the_place_of_a_right_one(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """The second one is sent another row's video and dies with it in its hands."""
    other, given = await errand("fal", 1), await errand("fal", 2)
    async with open_house() as one, open_house(passing=dies) as two:
        await walk(one, other)
        await walk(one, given, until={Stage.READY})
        ready = two.ledger.state(given.job.key)
        assert (await walk(one, given)).stage is Stage.DONE
        sandbox.faults.add({"operation": "download", "effect": {"kind": "other_video"}})
        with suppress(Killed):
            await fetching.fetch(two, two.desk("fal"), given.job, ready, last=True)
        assert is_what_the_ledger_says(one, given.job.key)


async def test_other_bytes_of_the_same_video_are_put_right(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """A vendor that encodes anew for each download: what lies there is what was written down."""
    given = await errand("fal")
    async with open_house() as one, open_house() as two:
        await walk(one, given, until={Stage.READY})
        ready = two.ledger.state(given.job.key)
        assert (await walk(one, given)).stage is Stage.DONE
        assert sandbox.house is not None
        (job,) = sandbox.house.desk.engine.bought
        assert job.film is not None
        job.film += FREE_BOX
        assert await fetching.fetch(two, two.desk("fal"), given.job, ready, last=False)
        assert (await walk(two, given)).stage is Stage.DONE
        assert is_what_the_ledger_says(two, given.job.key)
    assert sandbox.counts().accepted() == 1
