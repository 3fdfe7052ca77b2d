"""What becomes of an intent whose owner dies, stops, or comes back too late."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omnihuman_blocks.domain.job import Job, JobKey, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.ledger import (
    Alarm,
    Already,
    HeldByOther,
    Intended,
    Ledger,
    Wish,
    owner,
)
from omnihuman_blocks.edges.ledger.leases import Leases
from omnihuman_blocks.edges.ledger.owner import is_provably_dead, this_process
from omnihuman_blocks.errors import InDoubt, Transient

KEY = JobKey(f"{'7':0>64}")
SHORT = 0.3


def when(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Waits until it is so, and says what it was."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return found


def test_a_process_killed_between_intent_and_ticket_leaves_a_doubt(
    ledger: Ledger, address: str, child: Callable[..., Any], make_wish: Callable[..., Wish]
) -> None:
    """Its death is proved at once, long before its lease ends; nothing is sent again."""
    process = child("intend", address, "7")
    assert process.says() == "intended"
    assert ledger.orphans() == []  # it lives
    process.kill()
    (orphan,) = ledger.orphans()
    assert (orphan.key, orphan.why) == (KEY, "its process is dead")
    doubt = ledger.take_over(orphan)
    assert doubt is not None
    assert doubt.intended_at is not None
    state = ledger.state(KEY)
    assert state is not None
    assert (state.stage, str(state.reserved_usd)) == (Stage.IN_DOUBT, "1.500000")
    assert ledger.take_over(orphan) is None  # once


def test_a_process_killed_before_its_intent_is_committed_leaves_nothing(
    ledger: Ledger, address: str, child: Callable[..., Any]
) -> None:
    """No claim, no money set aside, no trace: whoever comes next may buy."""
    process = child("begin", address, "7")
    assert process.says() == "begun"
    process.kill()
    assert ledger.state(KEY) is None
    assert all(counter.reserved_usd == 0 for counter in ledger.counters())
    assert ledger.orphans() == []


def test_a_process_killed_after_its_ticket_loses_nothing(
    ledger: Ledger, address: str, child: Callable[..., Any]
) -> None:
    """What was committed is there, to the last field."""
    process = child("accept", address, "7")
    assert process.says() == "accepted"
    process.kill()
    state = ledger.state(KEY)
    assert state is not None
    assert state.ticket is not None
    assert (state.stage, state.ticket.id) == (Stage.ACCEPTED, "ticket-7")
    assert ledger.orphans() == []


def test_a_stopped_owner_that_wakes_after_its_lease_may_not_send(
    ledger: Ledger, address: str, child: Callable[..., Any]
) -> None:
    """SIGSTOP between intent and purchase: the lease is over for itself as for the others."""
    process = child("intend", address, "7", str(SHORT))
    assert process.says() == "intended"
    os.kill(process.pid, signal.SIGSTOP)
    (orphan,) = when(ledger.orphans)
    assert orphan.why == "its lease ran out"
    assert ledger.take_over(orphan) is not None
    os.kill(process.pid, signal.SIGCONT)
    process.hears()
    assert float(process.says()) == 0.0


def test_a_live_owner_keeps_its_claim(ledger: Ledger, make_wish: Callable[..., Wish]) -> None:
    """Seconds are left, nobody may take it over, and others are told until when it is held."""
    claim = ledger.intend(make_wish())
    assert isinstance(claim, Intended)
    assert 170 < ledger.still_mine(claim) <= 180
    assert ledger.orphans() == []


def test_a_renewed_claim_outlives_its_first_lease(
    address: str, make_wish: Callable[..., Wish]
) -> None:
    """All claims of a process are prolonged at once, here and in the database."""
    with Ledger.open(address, lease_seconds=1.0) as owner_ledger, Ledger.open(address) as other:
        claims = [owner_ledger.intend(make_wish()) for _ in range(3)]
        begun = time.monotonic()
        while time.monotonic() < begun + 1.5:
            assert owner_ledger.renew() == 3
            assert other.orphans() == []
            time.sleep(0.1)
        for claim in claims:
            assert isinstance(claim, Intended)
            assert owner_ledger.still_mine(claim) > 0


def test_a_claim_that_was_taken_over_is_not_renewed(
    address: str, make_wish: Callable[..., Wish]
) -> None:
    """Its owner hears that it has no time left, whatever it does."""
    with Ledger.open(address, lease_seconds=SHORT) as late, Ledger.open(address) as other:
        claim = late.intend(make_wish())
        assert isinstance(claim, Intended)
        (orphan,) = when(other.orphans)
        assert other.take_over(orphan) is not None
        assert late.renew() == 0
        assert late.still_mine(claim) == 0.0


def test_a_claim_that_has_ended_has_no_time_left(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> None:
    """An owner cannot send twice on one intent by mistake."""
    claim = ledger.intend(make_wish())
    assert isinstance(claim, Intended)
    ledger.accept(claim, ticket())
    assert ledger.still_mine(claim) == 0.0


def taken_over(late: Ledger, other: Ledger, wish: Wish) -> tuple[Intended, Any]:
    claim = late.intend(wish)
    assert isinstance(claim, Intended)
    (orphan,) = when(other.orphans)
    doubt = other.take_over(orphan)
    assert doubt is not None
    return claim, doubt


def test_a_ticket_that_comes_after_the_takeover_is_kept(
    address: str, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> None:
    """The late owner had bought after all; the doubt is over."""
    with Ledger.open(address, lease_seconds=SHORT) as late, Ledger.open(address) as other:
        claim, _ = taken_over(late, other, make_wish())
        applied = late.accept(claim, ticket("T"))
        assert (applied.stage, applied.alarm) == (Stage.ACCEPTED, None)


def test_late_words_of_an_owner_do_not_open_the_claim_of_the_next(
    address: str, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """Taken over, ruled out, claimed again by somebody else: `turn_away` of the first owner must
    not let a third one buy beside the second."""
    job = make_job()
    with Ledger.open(address, lease_seconds=SHORT) as late, Ledger.open(address) as other:
        claim, doubt = taken_over(late, other, make_wish(job))
        assert other.rule_out(doubt, who="ada", why="not in the vendor's list").moved
        assert isinstance(other.intend(make_wish(job)), Intended)
        for end in (late.turn_away, late.refuse, late.lose):
            applied = end(claim, Transient("too many requests"))
            assert (applied.stage, applied.moved) == (Stage.INTENDED, False)
        assert isinstance(late.intend(make_wish(job)), HeldByOther)
        assert "came too late" in other.history(job.key)


def test_a_doubt_is_ruled_out_only_for_its_own_intent(
    ledger: Ledger, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """Somebody who looked at an older doubt cannot open a newer one, which may be bought."""
    job = make_job()
    first = ledger.intend(make_wish(job))
    assert isinstance(first, Intended)
    ledger.lose(first, InDoubt("no answer"))
    (older,) = ledger.in_doubt()
    assert ledger.rule_out(older, who="ada", why="not there").stage is Stage.OPEN
    second = ledger.intend(make_wish(job))
    assert isinstance(second, Intended)
    ledger.lose(second, InDoubt("no answer"))
    applied = ledger.rule_out(older, who="bob", why="not there")
    assert (applied.stage, applied.moved) == (Stage.IN_DOUBT, False)


def test_a_ticket_that_comes_after_a_wrong_no_is_adopted(
    ledger: Ledger,
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
    ticket: Callable[..., Ticket],
) -> None:
    """A person said that it was not bought; the callback says otherwise, and is believed."""
    job = make_job()
    wish = make_wish(job)
    claim = ledger.intend(wish)
    assert isinstance(claim, Intended)
    ledger.lose(claim, InDoubt("no answer"))
    (doubt,) = ledger.in_doubt()
    ledger.rule_out(doubt, who="ada", why="not in the list")
    named = ledger.by_token(wish.callback_token)
    assert named == (job.key, 1)
    assert ledger.adopt(job.key, 1, ticket("T"), who="callback").stage is Stage.ACCEPTED
    assert isinstance(ledger.intend(make_wish(job)), Already)


def test_a_second_ticket_is_kept_and_raises_an_alarm(
    ledger: Ledger,
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
    ticket: Callable[..., Ticket],
) -> None:
    """The vendor has two purchases: the first stands, the second is not forgotten."""
    job = make_job()
    claim = ledger.intend(make_wish(job))
    assert isinstance(claim, Intended)
    ledger.adopt(job.key, 1, ticket("A"), who="callback")
    for _ in range(2):
        applied = ledger.accept(claim, ticket("B"))
        assert applied.alarm is Alarm.STRAY_TICKET
    assert ledger.accept(claim, ticket("A")).alarm is None  # the callback was merely faster
    state = ledger.state(job.key)
    assert state is not None
    assert state.ticket is not None
    assert (state.ticket.id, state.further_tickets) == ("A", ("B",))


def test_a_machine_that_slept_has_no_lease_left() -> None:
    """Either clock alone is enough: one stops in sleep on some platforms, one can be set."""
    passed = {"steady": 0.0, "wall": 0.0}
    leases = Leases(180.0, steady_clock=lambda: passed["steady"], wall_clock=lambda: passed["wall"])
    leases.hold(1, leases.begin())
    assert leases.left(1) == 180.0
    for clock in passed:
        passed |= {"steady": 0.0, "wall": 0.0, clock: 200.0}
        assert leases.left(1) == 0.0


def test_only_proof_makes_an_owner_dead(child: Callable[..., Any], tmp_path: Any) -> None:
    """Another machine, another container, another boot, a platform that tells nothing: not dead.
    A number that was given to another process: dead."""
    here = this_process()
    dead = replace(here, id="x", pid=_free_number())
    assert is_provably_dead(dead, here)
    for unprovable in (
        replace(dead, host="elsewhere"),
        replace(dead, boot_id="another"),
        replace(dead, namespaces="pid:[1] time:[1]"),
        replace(dead, started=None),
        replace(dead, boot_id=None),
        replace(dead, namespaces=None),
    ):
        assert not is_provably_dead(unprovable, here)
    assert here.started is not None
    process = child("found", str(tmp_path / "x.db"), "")
    process.says()
    alive = replace(here, id="y", pid=process.pid, started=owner._started(process.pid)[0])
    assert not is_provably_dead(alive, here)
    assert is_provably_dead(replace(alive, started=here.started + 10**9), here)
    assert not is_provably_dead(here, here)


def test_a_killed_process_that_nobody_buried_is_dead(
    child: Callable[..., Any], tmp_path: Any
) -> None:
    """A zombie keeps its number and start, and does nothing any more."""
    here = this_process()
    process = child("found", str(tmp_path / "x.db"), "")
    process.says()
    known = replace(here, id="y", pid=process.pid, started=owner._started(process.pid)[0])
    os.kill(process.pid, signal.SIGKILL)
    when(lambda: is_provably_dead(known, here))
    assert owner._started(process.pid)[1] == "Z"


def test_a_platform_without_proc_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """There the lease alone decides."""
    monkeypatch.setattr(owner, "PROC", tmp_path / "nothing")
    blind = this_process()
    assert (blind.started, blind.boot_id, blind.namespaces) == (None, None, None)
    assert not is_provably_dead(replace(blind, pid=_free_number()), blind)


def test_the_ledger_measures_a_lease_from_after_its_owner_does(
    ledger: Ledger, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """The owner's own lease ends first, so no moment exists in which both believe to hold it."""
    job = make_job()
    claim = ledger.intend(make_wish(job))
    assert isinstance(claim, Intended)
    held = ledger.intend(make_wish(job))
    assert isinstance(held, HeldByOther)
    state = ledger.state(job.key)
    assert state is not None
    assert state.intended_at is not None
    assert held.until - state.intended_at == timedelta(seconds=180)
    assert ledger.still_mine(claim) <= 180.0


def _free_number() -> int:
    """A process number that nobody has: of one that has ended."""
    with subprocess.Popen(["true"]) as ended:  # noqa: S607
        return ended.pid
