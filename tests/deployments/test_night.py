"""A night that nobody watches: schedule, workers that die, automations. Typed from the guide."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client
from prefect.events import AutomationCore, EventTrigger, ResourceSpecification
from prefect.events.actions import DoNothing
from prefect.flow_engine import run_flow
from prefect.flows import load_flow_from_entrypoint

from omnihuman_blocks import automations
from omnihuman_blocks.errors import CannotStart

pytestmark = pytest.mark.xdist_group("commands")

Night: TypeAlias = Any
"""See `conftest.py`."""

GENERATE, RETRY, SHARDS = "generate-catalogue", "retry-failed", "generate-in-shards"
ROWS = 6
AT_ONCE = 2
"""One at each vendor."""
SHORTEST_SILENCE = timedelta(seconds=10)
"""Prefect takes no shorter one."""


def states(results: Path) -> dict[str, int]:
    """How many rows of a catalogue stand where."""
    column = pq.read_table(results / "catalogue.parquet", columns=["state"])["state"]
    return {one["values"]: one["counts"] for one in column.value_counts().to_pylist()}


def asked_about(night: Night) -> int:
    """Purchases that somebody waits for."""
    bought = night.sandbox.counts().purchases
    return sum(one.requests.get("status", 0) > 0 for one in bought)


def questions(night: Night) -> int:
    bought = night.sandbox.counts().purchases
    return sum(one.requests.get("status", 0) for one in bought)


def next_night(night: Night, *before: dict[str, Any]) -> dict[str, Any]:
    """A scheduled run, once it asks about what was bought: by it, or by one before it."""
    asked = questions(night)
    known = {run["id"] for run in before}

    def running() -> list[dict[str, Any]]:
        return [one for one in night.server.runs(GENERATE, "Running") if one["id"] not in known]

    night.server.schedule(GENERATE, max_in_flight=1)
    run: dict[str, Any] = night.until(running, "a scheduled run")[0]
    assert run["auto_scheduled"]
    night.until(lambda: asked_about(night) == AT_ONCE, "a purchase at each vendor, waited for")
    night.until(lambda: questions(night) > asked + AT_ONCE, "questions of this run")
    return run


def watch_for_silence(seconds: timedelta) -> None:
    """The automation that catches zombies, with a patience of its own."""
    with get_client(sync_client=True) as client:
        generate = client.read_deployment_by_name(f"omnihuman-generate-catalogue/{GENERATE}").id
        of_it = ResourceSpecification({"prefect.resource.id": [f"prefect.deployment.{generate}"]})
        automations.install([automations.zombies(of_it, seconds)], client)


def test_whatever_dies_the_next_schedule_finishes_the_catalogue(night: Night) -> None:
    """A worker is killed with its run, another one without; a third run overlaps with the orphan.

    Every row is done, every video was bought once, and the run that died is said to have crashed.
    """
    night.lay_tables(range(ROWS))
    watch_for_silence(SHORTEST_SILENCE)
    night.hold_the_queues(held=True)
    worker = night.start_worker()
    first = next_night(night)
    for number in [*night.descendants(worker.pid), worker.pid]:
        night.kill(number)

    worker = night.start_worker()
    second = next_night(night, first)
    orphans = night.descendants(worker.pid)
    night.kill(worker.pid)
    assert worker.wait() < 0

    crashed = night.until(lambda: night.server.runs(GENERATE, "Crashed"), "the zombie's end")
    assert first["id"] in {one["id"] for one in crashed}
    watch_for_silence(automations.SILENT_FOR)

    night.start_worker()
    third = next_night(night, first, second)
    assert any(is_alive(number) for number in orphans), "the second run goes on without a worker"
    night.hold_the_queues(held=False)
    night.until(
        lambda: third["id"] in {one["id"] for one in night.server.runs(GENERATE, "Completed")},
        "the third run's good end",
    )
    night.until(lambda: not any(is_alive(number) for number in orphans), "the orphan's end")
    assert states(night.folder / "results") == {"done": ROWS}
    counts = night.sandbox.counts()
    assert counts.accepted() == ROWS
    assert counts.bought_twice() == ()
    here = f"file://{night.folder / 'results'}"
    clips = night.until(
        lambda: [
            clip
            for event in night.server.events("clip.delivered")
            if event["resource"]["omnihuman.results"] == here
            for clip in event["payload"]["clips"]
        ],
        "events",
    )
    assert {clip["ticket"] for clip in clips} <= {one.ticket for one in counts.purchases}
    charges = {one.ticket: one.charge_usd for one in counts.purchases}
    assert all(Decimal(clip["cost_usd"]) == charges[clip["ticket"]] for clip in clips)


def test_a_run_that_is_cancelled_in_prefect_hears_out_what_it_has_sent(night: Night) -> None:
    """The worker asks its process to end while an answer of fal is still to come.

    Nothing more is bought, the ticket is kept, the run is Cancelled, and the next one goes on.
    """
    night.lay_tables(range(ROWS))
    night.hold_the_queues(held=True)
    slow = {"kind": "slow", "seconds": 4.0}
    night.sandbox.faults.add({"vendor": "fal", "operation": "submit", "effect": slow})
    worker = night.start_worker()
    results = night.folder / "cancelled"
    wishes = {"results": str(results), "max_in_flight": 1}
    run = night.server.start(GENERATE, **wishes)
    night.until(lambda: night.sandbox.counts().accepted() == AT_ONCE, "a purchase at each vendor")
    night.server.call("POST", f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    night.until(
        lambda: run in {one["id"] for one in night.server.runs(GENERATE, "Cancelled")},
        "the end of the cancelled run",
    )
    night.until(lambda: not night.descendants(worker.pid), "the end of its process")
    assert night.sandbox.counts().accepted() == AT_ONCE
    assert states(results) == {"pending": ROWS}
    tickets = pq.read_table(results / "catalogue.parquet", columns=["ticket"])["ticket"]
    assert len(tickets) - tickets.null_count == AT_ONCE

    night.sandbox.faults.replace([])
    night.hold_the_queues(held=False)
    again = night.server.start(GENERATE, **wishes)
    night.until(
        lambda: again in {one["id"] for one in night.server.runs(GENERATE, "Completed")},
        "the next run's good end",
    )
    assert states(results) == {"done": ROWS}
    counts = night.sandbox.counts()
    assert (counts.accepted(), counts.bought_twice()) == (ROWS, ())


def test_a_shard_that_is_killed_on_a_pool_is_started_again(night: Night, database: str) -> None:
    """A worker has the runs of the parent and of its shards, and one of these dies half-way."""
    night.lay_tables(range(ROWS))
    night.hold_the_queues(held=True)
    worker = night.start_worker()
    results = night.folder / "shards"
    wishes = {"results": str(results), "ledger": database, "shards": 2, "max_in_flight": ROWS}
    parent = night.server.start(SHARDS, **wishes)
    night.until(lambda: night.sandbox.counts().accepted() == ROWS, "every purchase")
    shards = [
        one
        for one in night.server.runs(GENERATE, "Running")
        if one["parameters"]["results"] == str(results)
    ]
    assert {one["parameters"]["shard"] for one in shards} == {"1/2", "2/2"}
    victim = next(one for one in shards if one["parameters"]["shard"] == "1/2")
    for number in night.descendants(worker.pid):
        if flow_run_of(number) == victim["id"]:
            night.kill(number)
    night.until(
        lambda: victim["id"] in {one["id"] for one in night.server.runs(GENERATE, "Crashed")},
        "the end of the killed shard",
    )
    night.hold_the_queues(held=False)
    night.until(
        lambda: parent in {one["id"] for one in night.server.runs(SHARDS, "Completed")},
        "the parent's good end",
    )
    assert states(results) == {"done": ROWS}
    counts = night.sandbox.counts()
    assert (counts.accepted(), counts.bought_twice()) == (ROWS, ())


def flow_run_of(number: int) -> str | None:
    """Which run a process makes; None where it makes none, or has ended."""
    try:
        listed = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    words = dict(one.partition(b"=")[::2] for one in listed)
    found = words.get(b"PREFECT__FLOW_RUN_ID")
    return None if found is None else str(UUID(found.decode()))


def test_failed_rows_are_retried_once_and_somebody_is_told(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue's run starts the retry of its own results; the retry's own failure does not."""
    for name, value in night.sandbox.environment.items():
        monkeypatch.setenv(name, value)
    night.lay_tables([100])
    content = {"kind": "fails", "failure": "content"}
    night.sandbox.faults.add({"effect": content})
    results = str(night.folder / "elsewhere")

    made = night.server.start(GENERATE, results=results)
    run_here(night, made)
    retry = night.until(lambda: night.server.runs(RETRY), "a retry")[0]
    assert retry["parameters"]["results"] == results
    assert retry["parameters"]["budget"] == 25

    run_here(night, retry["id"])
    subjects = night.until(lambda: len(subjects_in(night)) == 2 and subjects_in(night), "mail")
    assert {subject.split()[1] for subject in subjects} == {"catalogue", "retry"}
    assert all("ended RowsFailed" in subject for subject in subjects)
    # A server that is hard-pressed hands out an event again, so that a retry may start twice.
    # What must not be is a retry of a retry.
    followed = {
        event["payload"]["triggering_labels"]["prefect.resource.id"]
        for event in night.server.events("prefect.automation.triggered")
        if event["resource"]["prefect.resource.name"] == automations.RETRY
    }
    assert followed == {f"prefect.flow-run.{made}"}
    assert night.sandbox.counts().accepted() == 1
    failed = night.until(lambda: night.server.events("batch.failed"), "the event")[0]
    assert failed["payload"]["reasons"][0]["error_class"] == "Refused"
    assert failed["resource"]["omnihuman.results"] == f"file://{results}"


def subjects_in(night: Night) -> set[str]:
    return {letter["subject"] for letter in night.mailbox.letters}


def run_here(night: Night, flow_run: str) -> None:
    """What a worker would do, in this process: a start of Python less."""
    with get_client(sync_client=True) as client:
        known = client.read_flow_run(UUID(flow_run))
        assert known.deployment_id is not None
        entrypoint = client.read_deployment(known.deployment_id).entrypoint
    run_flow(load_flow_from_entrypoint(f"{night.root}/{entrypoint}"), known, return_type="state")


def test_automations_are_installed_once(night: Night) -> None:
    """Installed again they are the same ones, with what has changed; others are left alone."""
    deployments = {
        "generate": f"omnihuman-generate-catalogue/{GENERATE}",
        "retry": f"omnihuman-retry-failed/{RETRY}",
    }
    notify = "custom-webhook/night-watch"
    first = automations.install_for(**deployments, notify=notify)
    foreign = AutomationCore(
        name="somebody's", trigger=EventTrigger(expect={"no.such"}), actions=[DoNothing()]
    )
    with get_client(sync_client=True) as client:
        kept = client.create_automation(foreign)
        assert automations.install_for(**deployments, notify=notify) == first
        there = client.read_automations()
        assert {one.id for one in there} == {*first.values(), kept}
        client.delete_automation(kept)
    assert first.keys() == {
        *(automations.RETRY, automations.ZOMBIES),
        *(automations.NOTIFY_RUNS, automations.NOTIFY_MONEY),
    }
    with pytest.raises(CannotStart, match="prefect deployment ls"):
        automations.install_for(generate="no/such", retry=deployments["retry"])
    with pytest.raises(CannotStart, match="prefect block ls"):
        automations.install_for(**deployments, notify="slack-webhook/nobody")


def is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True
