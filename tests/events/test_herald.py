"""What is told of a batch: everything counted, a few jobs named, and no flood."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.catalogue import events
from omnihuman_blocks.catalogue.events import Herald, address_of, resource_of
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import Clip, JobOutcome
from omnihuman_blocks.domain.pricing import UNKNOWN_CHARGE, Charge, CostBasis
from omnihuman_blocks.walk.order import Order
from omnihuman_blocks.walk.walker import Ending

Told = list[tuple[str, dict[str, Any]]]


def key(number: int) -> JobKey:
    return JobKey(f"{number:064x}")


def ending(number: int, stage: Stage, error: str | None = None) -> Ending:
    return Ending(key=key(number), stage=stage, bought=1, error_class=error, error_message=error)


def herald(budget: str | None = None) -> tuple[Herald, Told]:
    told: Told = []

    def emit(event: str, *, resource: dict[str, str], payload: dict[str, Any]) -> None:
        assert resource == resource_of("/data/out")
        told.append((event, payload))

    order = Order(
        scripts="s.csv",
        avatars="a.csv",
        results="/data/out",
        provider="fal",
        budget=None if budget is None else Decimal(budget),
    )
    return Herald(order=order, rows=[], emit=emit), told


def done(number: int, charge: Charge) -> tuple[JobKey, JobOutcome]:
    clip = Clip(uri=f"videos/{number}.mp4", sha256="0" * 64, size=9)
    return key(number), JobOutcome(
        stage=Stage.DONE, attempt=1, ticket=f"t{number}", charge=charge, clip=clip
    )


def test_a_batch_is_one_event_however_many_jobs_it_has() -> None:
    """300 videos: all counted, ten named, the sum exact, what is unknown told as unknown."""
    speaker, told = herald()
    cents = Charge(usd=Decimal("0.1"), basis=CostBasis.REPORTED)
    outcomes = dict(done(number, UNKNOWN_CHARGE if number == 7 else cents) for number in range(300))
    speaker.tell([ending(number, Stage.DONE) for number in range(300)], outcomes)
    ((event, payload),) = told
    assert event == "clip.delivered"
    assert (payload["jobs"], payload["bought"]) == (300, 300)
    assert (payload["charged_usd"], payload["unknown_charges"]) == ("29.9", 1)
    assert len(payload["clips"]) == events.NAMED
    assert payload["clips"][0] == {
        "job_key": key(0),
        "attempt": 1,
        "ticket": "t0",
        "video_uri": "videos/0.mp4",
        "cost_usd": "0.1",
    }
    assert len(json.dumps(payload)) < 5_000


def test_failures_are_told_by_their_reasons() -> None:
    """The most frequent first; a long message is cut."""
    speaker, told = herald()
    why = ["Refused", "Refused", "BadDelivery"]
    outcomes = {
        key(number): JobOutcome(
            stage=Stage.FAILED, attempt=1, error_class=name, error_message=name * 999
        )
        for number, name in enumerate(why)
    }
    endings = [ending(number, Stage.FAILED) for number in range(3)]
    speaker.tell([*endings, ending(3, Stage.ACCEPTED)], outcomes)
    ((event, payload),) = told
    assert event == "batch.failed"
    assert (payload["jobs"], payload["of"]) == (3, 4)
    assert [(one["error_class"], one["jobs"]) for one in payload["reasons"]] == [
        ("Refused", 2),
        ("BadDelivery", 1),
    ]
    assert all(len(one["error_message"]) <= events.LONGEST_MESSAGE for one in payload["reasons"])


@pytest.mark.parametrize("stage", [Stage.IN_DOUBT, Stage.INTENDED])
def test_a_doubt_is_told_also_where_its_owner_died(stage: Stage) -> None:
    """With the message that says what to look for."""
    speaker, told = herald()
    outcome = JobOutcome(stage=stage, attempt=2, error_class="InDoubt", error_message="Look there.")
    speaker.tell([ending(1, stage)], {key(1): outcome})
    ((event, payload),) = told
    assert event == "purchase.in_doubt"
    assert payload["jobs"] == 1
    (doubt,) = payload["in_doubt"]
    assert (doubt["attempt"], doubt["error_message"]) == (2, "Look there.")


def test_a_budget_is_told_once() -> None:
    """Thousands of rows may meet the same cap."""
    speaker, told = herald(budget="12.50")
    blocked: Sequence[Ending] = [ending(number, Stage.OPEN, "OverBudget") for number in range(5)]
    speaker.tell(blocked[:2], {})
    speaker.tell(blocked[2:], {})
    assert told == [("budget.reached", {"budget_usd": "12.50", "error_message": "OverBudget"})]


def test_what_still_waits_is_no_news() -> None:
    """Nothing is told of jobs that were left for the next run."""
    speaker, told = herald()
    outcome = JobOutcome(stage=Stage.ACCEPTED, attempt=1, ticket="t")
    speaker.tell([ending(1, Stage.ACCEPTED)], {key(1): outcome})
    assert told == []


def test_a_batch_that_broke_down_is_told() -> None:
    """Its jobs stand in the ledger; nobody invents what became of them."""
    speaker, told = herald()
    speaker.tell_broken("RuntimeError: disk on fire")
    assert told == [("batch.failed", {"jobs": 0, "error_message": "RuntimeError: disk on fire"})]


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("/data/out/", "file:///data/out"),
        ("s3://bucket/out/", "s3://bucket/out"),
        ("https://user:secret@host/out?sig=secret", "https://host/out"),
    ],
)
def test_an_address_is_told_without_credentials(place: str, address: str) -> None:
    """Events are read by more people than keys are."""
    assert address_of(place) == address
    assert resource_of(place)["prefect.resource.name"] == "out"
    assert "secret" not in str(resource_of(place))
