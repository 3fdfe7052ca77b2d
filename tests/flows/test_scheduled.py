"""What comes around by itself leaves a job alone after three attempts; a person may go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint

from omnihuman_blocks.catalogue.preparing import _again
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import JobOutcome
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.walk.order import Again

KEY = JobKey("0" * 64)
FREE = Charge(usd=None, basis=CostBasis.NOT_CHARGED)


def chosen(error: str, attempt: int, wish: Again) -> bool:
    """Whether a failed job is bought once more."""
    outcome = JobOutcome(stage=Stage.FAILED, attempt=attempt, error_class=error, charge=FREE)
    return KEY in _again(wish, {KEY: outcome})


@pytest.mark.parametrize("classes", [frozenset(), frozenset({"Transient"})])
def test_a_schedule_makes_three_attempts_and_a_person_more(classes: frozenset[str]) -> None:
    """Also of classes that somebody once named on the schedule."""
    nightly, person = Again(classes=classes, is_scheduled=True), Again(classes=classes)
    assert chosen("Transient", 2, nightly)
    assert not chosen("Transient", 3, nightly)
    assert chosen("Transient", 3, person)


def test_a_deployed_retry_is_a_schedule() -> None:
    """Nobody has to remember to say so."""
    file = Path(__file__).parents[2] / "flows" / "retry_failed.py"
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{file}:retry")
    assert flow.parameters.properties["is_scheduled"]["default"] is True
