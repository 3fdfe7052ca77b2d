"""The ledger and the table of transitions never disagree, in any order of events.

The machine plays every event on every attempt, allowed or not, on both kinds of database. Its
model is `lifecycle.advance` and nothing else; the events that were written, folded through
`advance`, must lead to the stage that is stored.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from omnihuman_blocks.domain.job import Failed, Job, JobKey, Output, Ready, Ticket
from omnihuman_blocks.domain.lifecycle import TRANSITIONS, Event, Impossible, Stage, advance
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.edges.ledger import Already, Clip, Doubt, HeldByOther, Intended, Ledger, Wish
from omnihuman_blocks.errors import BadDelivery, InDoubt, Refused, Transient

E = Event
OWNERS_WORD = {E.TURN_AWAY, E.REFUSE, E.LOSE}
BY_THE_TABLE = [E.FINISH, E.FAIL, E.DELIVER, E.SPOIL, E.LOOK_AGAIN]


class Book(RuleBasedStateMachine):
    """A few jobs, their claims as their owners hold them, and what the table says of each."""

    jobs = Bundle("jobs")

    def __init__(
        self,
        ledger: Ledger,
        make_job: Callable[..., Job],
        make_wish: Callable[..., Wish],
    ) -> None:
        super().__init__()
        self.ledger = ledger
        self.make_job = make_job
        self.make_wish = make_wish
        self.stages: dict[JobKey, Stage] = {}
        self.attempts: dict[JobKey, int] = {}
        self.claims: dict[JobKey, list[Intended]] = {}
        self.numbers = itertools.count()

    @rule(target=jobs)
    def job(self) -> Job:
        made = self.make_job()
        self.stages[made.key] = Stage.OPEN
        self.attempts[made.key] = 1
        self.claims[made.key] = []
        return made

    @rule(job=jobs)
    def intend(self, job: Job) -> None:
        """Claimed exactly where the table lets an intent follow."""
        answer = self.ledger.intend(self.make_wish(job, attempt=self.attempts[job.key]))
        stage = self.stages[job.key]
        if stage is Stage.OPEN:
            assert isinstance(answer, Intended)
            self.claims[job.key].append(answer)
            self.stages[job.key] = advance(stage, E.INTEND)
        elif stage is Stage.INTENDED:
            assert isinstance(answer, HeldByOther)
        else:
            assert isinstance(answer, Already)
            assert answer.state.stage is stage

    @rule(job=jobs, event=st.sampled_from(sorted(OWNERS_WORD)), late=st.booleans())
    def owner_speaks(self, job: Job, event: Event, *, late: bool) -> None:
        """The owner of the latest intent, or of the first one, which may be long over."""
        if not self.claims[job.key]:
            return
        claim = self.claims[job.key][0 if late else -1]
        newest = claim is self.claims[job.key][-1]
        say: dict[Event, Callable[[], Any]] = {
            E.TURN_AWAY: partial(self.ledger.turn_away, claim, Transient("later")),
            E.REFUSE: partial(self.ledger.refuse, claim, Refused("no")),
            E.LOSE: partial(self.ledger.lose, claim, InDoubt("no answer")),
        }
        applied = say[event]()
        counts = newest and self.stages[job.key] is Stage.INTENDED
        assert applied.moved is counts
        if counts:
            self.stages[job.key] = advance(self.stages[job.key], event)
        assert applied.stage is self.stages[job.key]

    @rule(job=jobs, known=st.booleans(), ours=st.booleans())
    def ticket(self, job: Job, *, known: bool, ours: bool) -> None:
        """From the owner or from somebody else; the one that is known, or another one."""
        state = self.ledger.state(job.key)
        held = None if state is None else state.ticket
        ticket = held if known and held is not None else self._ticket()
        if state is None:
            return
        stage = self.stages[job.key]
        if ours and self.claims[job.key]:
            applied = self.ledger.accept(self.claims[job.key][-1], ticket)
        else:
            applied = self.ledger.adopt(job.key, self.attempts[job.key], ticket, who="callback")
        if held is None and (stage, E.ADOPT) in TRANSITIONS:
            self.stages[job.key] = advance(stage, E.ADOPT)
            assert applied.alarm is None
        else:
            assert (applied.alarm is None) == (ticket == held)
        assert applied.stage is self.stages[job.key]

    @rule(job=jobs)
    def rule_out(self, job: Job) -> None:
        doubts: list[Doubt] = self.ledger.in_doubt([job.key])
        assert bool(doubts) == (self.stages[job.key] is Stage.IN_DOUBT)
        for doubt in doubts:
            self.ledger.rule_out(doubt, who="ada", why="not there")
            self.stages[job.key] = advance(Stage.IN_DOUBT, E.RULE_OUT)

    @rule(job=jobs, event=st.sampled_from(BY_THE_TABLE))
    def vendor_or_file_speaks(self, job: Job, event: Event) -> None:
        """What the table does not know is refused, and writes nothing."""
        key, attempt = job.key, self.attempts[job.key]
        charge = Charge(usd=Decimal("1.2"), basis=CostBasis.REPORTED)
        say: dict[Event, Callable[[], Any]] = {
            E.FINISH: partial(
                self.ledger.finish, key, attempt, Ready(outputs=(Output(url="https://v/1"),))
            ),
            E.FAIL: partial(self.ledger.fail, key, attempt, Failed(error=Refused("bad face"))),
            E.DELIVER: partial(
                self.ledger.deliver, key, attempt, Clip(file="a", sha256="c", size=1), charge=charge
            ),
            E.SPOIL: partial(self.ledger.spoil, key, attempt, BadDelivery("silence")),
            E.LOOK_AGAIN: partial(self.ledger.look_again, key, attempt, why="lost"),
        }
        stage = self.stages[key]
        if (stage, event) in TRANSITIONS:
            self.stages[key] = advance(stage, event)
            assert say[event]().stage is self.stages[key]
        else:
            before = self.ledger.happenings(key)
            with pytest.raises(Impossible):
                say[event]()
            assert self.ledger.happenings(key) == before

    @rule(job=jobs, spoiled_too=st.booleans())
    def try_once_more(self, job: Job, *, spoiled_too: bool) -> None:
        """Another attempt follows a failure, and a spoiled one only with permission."""
        stage, number = self.stages[job.key], self.attempts[job.key]
        ask = partial(
            self.ledger.open_attempt, job.key, after=number, by="person", spoiled_too=spoiled_too
        )
        if stage is Stage.FAILED or (stage is Stage.SPOILED and spoiled_too):
            assert ask() == ask() == number + 1
            self.attempts[job.key], self.stages[job.key] = number + 1, Stage.OPEN
            self.claims[job.key] = []
        else:
            with pytest.raises(Impossible):
                ask()

    def _ticket(self) -> Ticket:
        return Ticket(provider="fal", model="omnihuman/v1.5", id=f"t{next(self.numbers)}")

    @invariant()
    def the_stored_stage_is_the_fold_of_the_events(self) -> None:
        states = self.ledger.states(self.stages)
        for key, stage in self.stages.items():
            state = states.get(key)
            folded = Stage.OPEN
            for happening in self.ledger.happenings(key):
                if happening.attempt == self.attempts[key] and happening.event in set(Event):
                    folded = advance(folded, Event(happening.event))
                    assert happening.stage is folded
            assert folded is stage
            assert (Stage.OPEN if state is None else state.stage) is stage

    @invariant()
    def the_money_of_the_attempts_is_in_the_counters(self) -> None:
        totals = self.ledger.totals()
        for counter in self.ledger.counters():
            assert counter.spent_usd == totals.charged_usd
            assert counter.reserved_usd == totals.reserved_usd


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_any_order_of_events_follows_the_table(
    kind: str,
    many_ledgers: Callable[[str], Ledger],
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
) -> None:
    """Allowed events move as the table says, all others are refused, late words move nothing."""

    class Played(Book):
        def __init__(self) -> None:
            super().__init__(many_ledgers(kind), make_job, make_wish)

    run_state_machine_as_test(
        Played,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
