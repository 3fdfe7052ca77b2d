"""Deliveries that would fill a disk, addresses that have expired, and our own disk and ledger."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges import delivery
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.walker import Errand, walk

OpenHouse = Callable[..., Any]
MEGABYTE = 1024 * 1024


class MakeErrand(Protocol):
    def __call__(self, vendor: str, number: int = 0) -> Awaitable[Errand]: ...


@pytest.mark.parametrize(
    "effect",
    [
        {"kind": "gzip_bomb", "megabytes": 64},
        {"kind": "endless", "pause_seconds": 0},
        {"kind": "oversized", "megabytes": 64, "announced": True},
        {"kind": "oversized", "megabytes": 64, "announced": False},
    ],
    ids=lambda effect: f"{effect['kind']} {effect.get('announced', '')}",
)
async def test_a_delivery_that_swells_is_cut_off_and_fetched_again(
    *,
    open_house: OpenHouse,
    errand: MakeErrand,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    effect: dict[str, object],
) -> None:
    """No more of it reaches the disk than a clip of that length may have; bought once."""
    monkeypatch.setattr(delivery, "CLIP_BYTES", MEGABYTE)
    monkeypatch.setattr(delivery, "SECOND_BYTES", MEGABYTE)
    rule = {"operation": "download", "effect": effect, "when": {"first": 1}}
    sandbox.faults.add(rule)
    given = await errand("fal")
    async with open_house() as house:
        assert (await walk(house, given)).stage is Stage.DONE
        assert " bytes" in house.ledger.history(given.job.key)
    assert [file.suffix for file in (tmp_path / "videos").iterdir()] == [".mp4"]
    assert sandbox.counts().accepted() == 1


@pytest.mark.parametrize("vendor", PROVIDERS)
async def test_an_expired_address_is_asked_for_anew(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, vendor: str
) -> None:
    """Every vendor, however it says that an address is dead; nothing is bought again."""
    status = {"runware": 404, "fal": 403, "pixazo": 410, "aimlapi": 404}[vendor]
    effect = {"kind": "expired", "status": status, "fresh": True}
    sandbox.faults.add({"operation": "download", "effect": effect, "when": {"first": 1}})
    given = await errand(vendor)
    async with open_house() as house:
        assert (await walk(house, given)).stage is Stage.DONE
        life = house.ledger.history(given.job.key)
    assert f"HTTP {status}" in life
    assert "asked for it again" in life
    assert sandbox.counts().accepted() == 1


async def test_an_address_that_stays_expired_is_told_as_lost_money(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox
) -> None:
    """Paid and gone: the row says which ticket, whom to write to, and how to buy it again."""
    sandbox.faults.add({"operation": "download", "effect": {"kind": "expired"}})
    given = await errand("fal")
    async with open_house() as house:
        assert (await walk(house, given)).stage is Stage.SPOILED
        state = house.ledger.state(given.job.key)
        assert (await walk(house, given)).bought == 0
    assert state.error.name == "BadDelivery"
    assert state.ticket.id in state.error.message
    assert "retry DIR --only BadDelivery" in state.error.message
    assert "?" not in state.error.message
    assert sandbox.counts().accepted() == 1


async def test_a_disk_that_takes_no_clip_stops_the_buying_and_nothing_else(
    open_house: OpenHouse, errand: MakeErrand, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What was bought stays with its vendor and is fetched when the disk has been mended."""
    (tmp_path / "videos").write_text("a file where the folder should be")
    first, second = await errand("fal"), await errand("runware")
    async with open_house() as house:
        ending = await walk(house, first)
        blocked = await walk(house, second)
    assert (ending.stage, ending.error_class, ending.bought) == (Stage.READY, "Transient", 1)
    assert "cannot be written" in str(ending.error_message)
    assert "run again" in str(ending.error_message)
    assert (blocked.stage, blocked.error_class) == (Stage.OPEN, "Transient")
    assert sandbox.counts().accepted() == 1
    (tmp_path / "videos").unlink()
    async with open_house() as house:
        assert {(await walk(house, each)).stage for each in (first, second)} == {Stage.DONE}
    assert sandbox.counts().accepted() == 2


async def test_a_ticket_waits_for_the_ledger_and_says_so(
    open_house: OpenHouse,
    errand: MakeErrand,
    sandbox: Sandbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Bought, and the ledger cannot be written: it is held in memory, told, and written later.

    Others buy nothing meanwhile, because their intents could not be written either.
    """
    caplog.set_level(logging.WARNING)
    hogs: list[sqlite3.Connection] = []

    def hold(border: str) -> None:
        if border == "after the answer" and not hogs:
            hogs.append(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None))
            hogs[0].execute("BEGIN IMMEDIATE")

    given = await errand("fal")
    async with open_house(passing=hold) as house:
        house.ledger._store._patience = 0.2
        with house.ledger._store._writer.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 50")
        walking = asyncio.ensure_future(walk(house, given))
        async with asyncio.timeout(20):
            while "waits to be written down" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert "do not end this process" in caplog.text
        hogs[0].rollback()
        hogs[0].close()
        assert (await walking).stage is Stage.DONE
        assert (await walk(house, await errand("fal", 1))).error_class == "Transient"
    assert sandbox.counts().accepted() == 1
