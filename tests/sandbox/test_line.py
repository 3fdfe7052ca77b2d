"""The queue of a vendor on plain numbers: positions, slots, ends, and nothing that waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omnihuman_blocks.sandbox.job import Failure, Job, Order
from omnihuman_blocks.sandbox.line import Line

FAILURE = Failure(code="late", message="Too late.")
ORDER = Order(
    vendor="fal",
    model="m",
    ticket="t",
    base="http://x",
    body={},
    explain=lambda _problem: FAILURE,
    late=FAILURE,
)


def job(number: int, *, at: float = 0.0, takes: float = 10.0, within: float | None = None) -> Job:
    """A job that was made at the moment of its acceptance."""
    order = replace(ORDER, ticket=str(number), start_within=within)
    made = Job(order=order, number=number, accepted_at=at, fingerprint="f")
    made.made_at, made.model_seconds, made.film = at, takes, b"film"
    return made


def test_slots_are_given_in_order_and_at_the_moment_they_are_free() -> None:
    """Three jobs of 10 s on one slot, looked at once after a minute, ended at 10, 20 and 30."""
    line = Line(lambda: 1)
    jobs = [job(number) for number in (1, 2, 3)]
    for each in jobs:
        line.join(each)
    list(line.advance(0.0))
    assert [each.phase for each in jobs] == ["working", "queued", "queued"]
    assert [line.position(each) for each in jobs[1:]] == [0, 1]
    ended = list(line.advance(60.0))
    assert [each.number for each in ended] == [1, 2, 3]
    assert [each.finished_at for each in jobs] == [10.0, 20.0, 30.0]
    assert line.next_moment() is None


def test_a_job_ends_when_its_picture_is_there() -> None:
    """The later of the model's time and the rendering; the slot is held until then."""
    line = Line(lambda: 1)
    late, behind = job(1), job(2)
    late.made_at = None
    line.join(late)
    line.join(behind)
    assert list(line.advance(50.0)) == []
    assert behind.phase == "queued"
    late.made_at = 70.0
    line.made(late)
    assert [each.number for each in line.advance(100.0)] == [1, 2]
    assert (late.finished_at, behind.started_at) == (70.0, 70.0)


def test_more_slots_take_effect_at_the_next_look() -> None:
    """The number of slots is asked for, not kept."""
    slots = [0]
    line = Line(lambda: slots[0])
    jobs = [job(number) for number in range(4)]
    for each in jobs:
        line.join(each)
    list(line.advance(5.0))
    assert {each.phase for each in jobs} == {"queued"}
    slots[0] = 3
    list(line.advance(6.0))
    assert [each.started_at for each in jobs] == [6.0, 6.0, 6.0, None]
    assert len(line) == 1


def test_a_job_gives_up_when_no_slot_comes_in_time() -> None:
    """At its limit, not later; one that has started does not."""
    line = Line(lambda: 1)
    first, waits, gives_up = job(1, takes=10), job(2, within=15), job(3, within=15)
    for each in (first, waits, gives_up):
        line.join(each)
    list(line.advance(0.0))
    assert [each.number for each in line.advance(100.0)] == [1, 3, 2]
    assert (waits.started_at, waits.failure) == (10.0, None)
    assert (gives_up.finished_at, gives_up.failure) == (15.0, FAILURE)
    assert gives_up.film is None


def test_a_job_can_leave_from_anywhere() -> None:
    """From the queue and from a slot, which is then free."""
    line = Line(lambda: 1)
    jobs = [job(number) for number in range(4)]
    for each in jobs:
        line.join(each)
    list(line.advance(0.0))
    line.leave(jobs[2], 1.0)
    line.leave(jobs[0], 2.0)
    list(line.advance(2.0))
    assert [each.phase for each in jobs] == ["done", "working", "done", "queued"]
    assert line.position(jobs[3]) == 0
    assert [each.number for each in line.advance(30.0)] == [1, 3]


def test_an_end_needs_a_beginning() -> None:
    """There is no end to ask for before the job has started and been made."""
    with pytest.raises(RuntimeError):
        job(1).end()
