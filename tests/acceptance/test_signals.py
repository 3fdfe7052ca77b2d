"""Ctrl-C and SIGTERM in the middle: what was sent is heard out, nothing more is bought."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from omnihuman_blocks.sandbox.settings import VENDORS

Place: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

GRACE_SECONDS = 30.0
"""After so many Prefect's workers and Kubernetes kill."""
SLOW_ANSWER = 4.0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_stop_buys_nothing_more_and_loses_nothing(
    place: Place, until: Callable[..., Any], number: int, code: int
) -> None:
    """Stopped while tickets were waited for and one answer of fal was still to come."""
    place.add_rows(4)
    place.lay()
    hold_the_queues(place, held=True)
    slow = {"kind": "slow", "seconds": SLOW_ANSWER}
    place.sandbox.faults.add(
        {"vendor": "fal", "operation": "submit", "when": {"skip": 1, "first": 1}, "effect": slow}
    )
    running = place.start("generate", *place.tables_and("--max-in-flight", "2"))
    until(lambda: place.counts().accepted() == 8, "two purchases at each vendor")
    running.signal(number)
    began = time.monotonic()
    said = running.end()

    assert said.code == code, said
    assert time.monotonic() - began < GRACE_SECONDS
    assert "the same command goes on from here" in said.err
    assert "Traceback" not in said.err
    assert place.counts().accepted() == 8
    lines = place.catalogue()
    assert {(one["state"], one["error_class"]) for one in lines} == {("pending", None)}
    assert sum(one["ticket"] is not None for one in lines) == 8
    status = place.status()
    assert (status.code, status.rows) == (3, {"planned": 8, "pending": 8}), status

    hold_the_queues(place, held=False)
    again = place.generate()
    assert (again.code, again.rows, again.told["bought"]) == (0, {"done": 16}, 8), again
    assert place.counts().accepted() == 16
    assert place.counts().bought_twice() == ()


def hold_the_queues(place: Place, *, held: bool) -> None:
    slots = 0 if held else 10
    place.sandbox.settings.change({vendor: {"slots": slots} for vendor in VENDORS})
