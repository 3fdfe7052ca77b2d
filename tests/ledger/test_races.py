"""Four processes on one ledger: each job is bought once, and nobody hears "database is locked"."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from omnihuman_blocks.domain.job import Failed, Job, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.ledger import HeldByOther, Intended, Ledger, Wish
from omnihuman_blocks.errors import Refused, Transient

JOBS = 40


def test_each_job_is_claimed_by_exactly_one_of_four_processes(
    ledger: Ledger,
    address: str,
    child: Callable[..., Any],
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
) -> None:
    """All want all of them, at once: new ones, and ones that a vendor had turned away before. The
    winners' lists are disjoint and complete, every ticket is the winner's, no writer fails."""
    for number in range(0, JOBS, 2):
        before = ledger.intend(make_wish(make_job(str(number))))
        assert isinstance(before, Intended)
        ledger.turn_away(before, Transient("too many requests"))
    processes = [child("race", address, str(JOBS)) for _ in range(4)]
    for process in processes:
        assert process.says() == "ready"
    for process in processes:
        process.hears()
    won = {process.pid: json.loads(process.says()) for process in processes}
    counted = Counter(number for numbers in won.values() for number in numbers)
    assert counted == dict.fromkeys(range(JOBS), 1)
    bought = {state.key: state for state in ledger.waiting()}
    assert len(bought) == JOBS
    for pid, numbers in won.items():
        for number in numbers:
            ticket = bought[f"{number:0>64}"].ticket  # type: ignore[index]
            assert ticket is not None
            assert ticket.id == f"{pid}-{number}"
    assert ledger.totals().intents == JOBS + JOBS // 2
    assert ledger.totals().reserved_usd * 2 == JOBS * 3


def test_one_attempt_is_claimed_by_one_of_many_threads(
    ledger: Ledger, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """Inside a process, too: the same key in two batches is bought by one of them."""
    job = make_job()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ledger.intend, [make_wish(job) for _ in range(16)]))
    assert sum(isinstance(answer, Intended) for answer in answers) == 1
    assert sum(isinstance(answer, HeldByOther) for answer in answers) == 15


def test_four_processes_that_ask_for_another_attempt_get_the_same(
    ledger: Ledger,
    address: str,
    child: Callable[..., Any],
    make_job: Callable[..., Job],
    bought: Callable[..., Intended],
) -> None:
    """One failure is followed by one attempt, however many saw it."""
    job = make_job()
    claim = bought(ledger, job)
    ledger.fail(claim.key, 1, Failed(error=Refused("bad face"), charged=False))
    processes = [child("follow", address, job.key) for _ in range(4)]
    for process in processes:
        assert process.says() == "ready"
    for process in processes:
        process.hears()
    assert [process.says() for process in processes] == ["2"] * 4
    opened = [h for h in ledger.happenings(job.key) if h.event == "open"]
    assert len(opened) == 1
    state = ledger.state(job.key)
    assert state is not None
    assert (state.attempt, state.stage) == (2, Stage.OPEN)


def test_facts_about_the_same_jobs_never_wait_for_each_other_for_ever(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> None:
    """Bundles of tickets in opposite orders, beside settlements on the same counters."""
    claims = [ledger.intend(make_wish()) for _ in range(12)]
    held = [claim for claim in claims if isinstance(claim, Intended)]
    bundles = [[(claim, ticket(claim.key)) for claim in order] for order in (held, held[::-1])] * 4
    with ThreadPoolExecutor(8) as pool:
        for applied in pool.map(ledger.accept_many, bundles):
            assert [one.stage for one in applied] == [Stage.ACCEPTED] * 12
            assert not any(one.alarm for one in applied)
    assert ledger.totals().jobs[Stage.ACCEPTED] == 12
