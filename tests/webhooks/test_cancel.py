"""Taking back what a vendor has not begun: at fal, and only there; no ticket is ever lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from omnihuman_blocks import cli
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import CostBasis
from omnihuman_blocks.edges.ledger import JobState, Ledger
from omnihuman_blocks.edges.note import Note, write_note
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk import cancelling
from omnihuman_blocks.walk.walker import Errand, walk

OpenHouse: TypeAlias = Any
MakeErrand: TypeAlias = Callable[..., Errand]
"""See `conftest.py`."""

BOUGHT = (Stage.ACCEPTED, Stage.IN_DOUBT)


@dataclass(frozen=True)
class Catalogue:
    """A results folder whose jobs are at the vendors."""

    folder: Path
    sandbox: Sandbox
    house: OpenHouse
    errand: MakeErrand
    capsys: pytest.CaptureFixture[str]

    async def buy(self, *jobs: tuple[str, int]) -> list[Errand]:
        given = [self.errand(vendor, number) for vendor, number in jobs]
        async with self.house() as house:
            for one in given:
                await walk(house, one, until=BOUGHT)
        return given

    def cancel(self, *words: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = cli.main(["cancel", str(self.folder), *words])
        return code, self.capsys.readouterr().out

    def cancel_as_json(self) -> tuple[int, dict[str, Any]]:
        code, out = self.cancel("--json")
        told: dict[str, Any] = json.loads(out)
        return code, told

    def state(self, errand: Errand) -> JobState:
        with Ledger.open(self.folder / "ledger.db") as ledger:
            state = ledger.state(errand.job.key)
        assert state is not None
        return state

    async def finish(self, *errands: Errand) -> list[Stage]:
        """Goes on with them, as `generate` would."""
        async with self.house() as house:
            return [(await walk(house, one)).stage for one in errands]


@pytest.fixture
def catalogue(
    sandbox: Sandbox,
    ledger_file: Path,
    house: OpenHouse,
    errand: MakeErrand,
    capsys: pytest.CaptureFixture[str],
) -> Catalogue:
    note = Note(scripts="scripts.csv", avatars="avatars.csv", provider="fal")
    folder = ledger_file.parent
    folder.mkdir()
    write_note(ResultsFolder.at(folder), note)
    return Catalogue(folder, sandbox, house, errand, capsys)


def slots(sandbox: Sandbox, number: int) -> None:
    sandbox.settings.change({"fal": {"slots": number}, "runware": {"slots": number}})


async def test_what_waits_at_fal_is_cancelled_and_the_rest_is_named(catalogue: Catalogue) -> None:
    """fal confirms it, so it has failed and cost nothing; Runware's video is fetched later."""
    slots(catalogue.sandbox, 0)
    queued, kept = await catalogue.buy(("fal", 0), ("runware", 0))
    code, out = await _aside(catalogue.cancel)
    assert code == 3
    assert "1 at fal cancelled: there will be no video." in out
    assert "1 at Runware cannot be cancelled at this vendor" in out
    assert "The tickets of 1 are kept: run the same `generate` again" in out
    assert f"omnihuman retry {catalogue.folder} --only Refused" in out
    state = catalogue.state(queued)
    assert (state.stage, state.retryable) == (Stage.FAILED, False)
    assert state.charge is not None
    assert state.charge.basis is CostBasis.NOT_CHARGED
    assert state.reserved_usd == 0
    with Ledger.open(catalogue.folder / "ledger.db") as ledger:
        events = [one.event for one in ledger.happenings(queued.job.key)]
    assert events == ["intend", "accept", "cancel", "fail"]
    assert catalogue.state(kept).stage is Stage.ACCEPTED

    slots(catalogue.sandbox, 10)
    assert await catalogue.finish(queued, kept) == [Stage.FAILED, Stage.DONE]
    counts = catalogue.sandbox.counts()
    assert (counts.accepted(), counts.charged()) == (2, 1)
    assert await _aside(catalogue.cancel) == (
        0,
        "No vendor has a job of this catalogue in its hands. There is nothing to cancel.\n",
    )


async def test_what_has_begun_or_ended_is_left_alone(catalogue: Catalogue) -> None:
    """It would be charged all the same: its ticket stays, and its video is fetched."""
    catalogue.sandbox.faults.add({"operation": "generate", "effect": {"kind": "stuck"}})
    (begun,) = await catalogue.buy(("fal", 0))
    catalogue.sandbox.faults.clear()
    (ended,) = await catalogue.buy(("fal", 1))
    async with catalogue.house() as house:
        await walk(house, ended, until=(Stage.READY,))
    code, told = await _aside(catalogue.cancel_as_json)
    assert (code, told["begun"], told["cancelled"]) == (3, 2, 0)
    assert catalogue.state(begun).stage is Stage.ACCEPTED
    assert catalogue.state(ended).stage is Stage.READY
    assert catalogue.sandbox.counts().vendors["fal"].requests.get("cancel", 0) == 0


async def test_a_job_that_begins_in_the_last_moment_is_kept(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fal declines, or takes the wish and goes on all the same: the ticket stays."""
    monkeypatch.setattr(cancelling, "CONFIRMED_WITHIN", 0.1)
    monkeypatch.setattr(cancelling, "LOOK_SECONDS", 0.05)
    slots(catalogue.sandbox, 0)
    (given,) = await catalogue.buy(("fal", 0))

    declined = {"kind": "refused", "status": 400}
    catalogue.sandbox.faults.add({"operation": "cancel", "effect": declined})
    code, told = await _aside(catalogue.cancel_as_json)
    assert (code, told["begun"]) == (3, 1)
    catalogue.sandbox.faults.clear()

    assert catalogue.sandbox.house is not None
    engine = catalogue.sandbox.house.desk.engine
    monkeypatch.setattr(engine, "cancel", lambda *_: None)
    code, told = await _aside(catalogue.cancel_as_json)
    assert (code, told["asked"]) == (3, 1)
    assert told["jobs"][0]["said"] == "fal: CANCELLATION_REQUESTED"

    monkeypatch.setattr(cancelling, "CONFIRMED_WITHIN", 20.0)
    monkeypatch.setattr(engine, "cancel", lambda *_: slots(catalogue.sandbox, 10))
    code, told = await _aside(catalogue.cancel_as_json)
    assert (code, told["begun"]) == (3, 1)
    assert catalogue.state(given).stage is Stage.ACCEPTED
    assert await catalogue.finish(given) == [Stage.DONE]


async def test_a_vendor_that_does_not_answer_loses_nothing(catalogue: Catalogue) -> None:
    """The wish can be repeated."""
    slots(catalogue.sandbox, 0)
    (given,) = await catalogue.buy(("fal", 0))
    for operation in ("status", "cancel"):
        down = {"kind": "server_error", "status": 503}
        catalogue.sandbox.faults.add({"id": "down", "operation": operation, "effect": down})
        code, out = await _aside(catalogue.cancel)
        assert code == 3
        assert "no answer about it: the ticket is kept" in out
        assert given.job.key[:12] in out
        assert catalogue.state(given).stage is Stage.ACCEPTED
        catalogue.sandbox.faults.clear()
    assert (await _aside(catalogue.cancel))[0] == 0


async def test_doubts_are_named_and_not_touched(catalogue: Catalogue) -> None:
    """Without a ticket nothing can be cancelled; a person has to look."""
    lost = {"kind": "lost_answer"}
    catalogue.sandbox.faults.add({"operation": "submit", "effect": lost})
    (given,) = await catalogue.buy(("fal", 0))
    code, out = await _aside(catalogue.cancel)
    assert code == 4
    assert f"1 in doubt cannot be cancelled: omnihuman reconcile {catalogue.folder}" in out
    assert catalogue.state(given).stage is Stage.IN_DOUBT


async def test_without_the_vendors_key_nothing_starts(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the key is asked for only where it is needed."""
    slots(catalogue.sandbox, 0)
    await catalogue.buy(("runware", 0))
    monkeypatch.delenv("FAL_KEY")
    monkeypatch.delenv("RUNWARE_API_KEY")
    assert (await _aside(catalogue.cancel))[0] == 3
    monkeypatch.setenv("FAL_KEY", catalogue.sandbox.environment["FAL_KEY"])
    monkeypatch.setenv("RUNWARE_API_KEY", catalogue.sandbox.environment["RUNWARE_API_KEY"])
    await catalogue.buy(("fal", 0))
    monkeypatch.delenv("FAL_KEY")
    assert (await _aside(catalogue.cancel))[0] == 2


async def _aside(work: Callable[[], Any]) -> Any:
    """As from a shell: where no event loop runs."""
    return await asyncio.to_thread(work)
