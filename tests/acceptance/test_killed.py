"""The process dies in the middle of a catalogue, and the same command goes on."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from omnihuman_blocks.sandbox.settings import VENDORS

Place: TypeAlias = Any
Prefect: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

AT_ONCE = 3


def quiet(place: Place) -> bool:
    """All that were accepted are waited for: each was asked about, so its ticket was kept."""
    bought = place.counts().purchases
    waiting = [one for one in bought if one.state in ("queued", "working")]
    return len(waiting) == AT_ONCE * len(VENDORS) and all(
        one.requests.get("status", 0) > 0 for one in waiting
    )


def hold_the_queues(place: Place, *, held: bool) -> None:
    slots = 0 if held else 10
    place.sandbox.settings.change({vendor: {"slots": slots} for vendor in VENDORS})


def test_a_killed_catalogue_is_finished_by_the_same_command(
    place: Place, until: Callable[..., Any]
) -> None:
    """40 rows at four vendors, killed while some were done and twelve were on their way."""
    place.add_rows(10)
    place.lay()
    running = place.start("generate", *place.tables_and("--max-in-flight", str(AT_ONCE)))
    until(lambda: place.requests("download") >= 8, "eight videos")
    hold_the_queues(place, held=True)
    until(lambda: quiet(place), "twelve held jobs, each with its ticket")
    running.signal(signal.SIGKILL)
    assert running.end().code == -signal.SIGKILL
    bought = place.counts().accepted()
    assert 16 <= bought < 40

    hold_the_queues(place, held=False)
    again = place.generate()
    assert (again.code, again.rows) == (0, {"done": 40}), again
    assert again.told["bought"] == 40 - bought
    assert place.counts().accepted() == 40
    assert place.counts().bought_twice() == ()
    assert place.states() == {"done": 40}


def test_an_answer_that_was_still_to_come_is_never_bought_again(
    place: Place, prefect: Prefect, until: Callable[..., Any]
) -> None:
    """Killed between a purchase and its answer, once at each vendor.

    Runware and AIMLAPI can be asked, and their rows are done. fal and Pixazo cannot: their rows
    are in doubt, exit 4 says so, and nothing is sent again.
    """
    place.add_rows(4)
    place.lay()
    for vendor in VENDORS:
        place.sandbox.faults.add(
            {
                "id": vendor,
                "vendor": vendor,
                "operation": "submit",
                "when": {"skip": 2, "first": 1},
                "effect": {"kind": "slow", "seconds": 40},
            }
        )
    running = place.start("generate", *place.tables_and("--max-in-flight", "1"))
    until(lambda: place.counts().accepted() == 3 * len(VENDORS), "an unanswered purchase each")
    running.signal(signal.SIGKILL)
    running.end()

    again = place.generate()
    assert (again.code, again.rows) == (4, {"done": 14, "in_doubt": 2}), again
    assert prefect.last_run()["state_name"] == "InDoubt"
    assert place.counts().accepted() == 16
    assert place.counts().bought_twice() == ()
    doubted = [row for row in place.catalogue() if row["state"] == "in_doubt"]
    assert Counter(row["provider"] for row in doubted) == {"fal": 1, "pixazo": 1}
    assert {row["error_class"] for row in doubted} == {"InDoubt"}

    status = place.status()
    assert (status.code, status.rows) == (4, again.rows), status
    assert {one["provider"] for one in status.told["in_doubt"]} == {"fal", "pixazo"}
    assert all(one["remedy"] for one in status.told["in_doubt"])

    third = place.generate()
    assert (third.code, third.rows, third.told["bought"]) == (4, again.rows, 0), third
    assert place.counts().accepted() == 16
