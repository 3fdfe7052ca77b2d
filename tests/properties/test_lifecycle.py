"""Any order of events, lost answers and deaths: at most one purchase per attempt.

The machine plays the vendor, a process that dies at any moment, callbacks, and an honest person.
It knows what really happened; the stage is all that the program knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from omnihuman_blocks.domain import lifecycle
from omnihuman_blocks.domain.lifecycle import (
    HAS_TICKET,
    POSTS,
    SETTLED,
    TRANSITIONS,
    Event,
    Impossible,
    Stage,
    advance,
)

S, E = Stage, Event


class Attempt(RuleBasedStateMachine):
    """One attempt, seen from both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = S.OPEN
        self.accepted = 0  # the vendor's own count
        self.in_flight = False  # the live process has written its intent and not yet posted
        self.knows_ticket = False
        self.paid_for_nothing = False

    def happens(self, event: Event) -> None:
        self.stage = advance(self.stage, event)

    @precondition(lambda self: self.stage is S.OPEN)
    @rule()
    def intend(self) -> None:
        self.happens(E.INTEND)
        self.in_flight = True

    @precondition(lambda self: self.stage in POSTS and self.in_flight)
    @rule(fate=st.sampled_from(["accepted", "lost_after", "lost_before", "turned_away", "refused"]))
    def post(self, fate: str) -> None:
        """The one purchase: what the vendor does, and what we get to hear of it."""
        self.in_flight = False
        if fate in ("accepted", "lost_after"):
            self.accepted += 1
        if fate == "accepted":
            self.happens(E.ACCEPT)
            self.knows_ticket = True
        elif fate == "turned_away":
            self.happens(E.TURN_AWAY)
        elif fate == "refused":
            self.happens(E.REFUSE)
        else:
            self.happens(E.LOSE)

    @precondition(lambda self: self.stage is S.INTENDED)
    @rule(accepted=st.booleans())
    def die(self, *, accepted: bool) -> None:
        """Killed between intent and answer: before, in the middle of, or after the purchase."""
        if self.in_flight and accepted:
            self.accepted += 1
        self.in_flight = False
        self.happens(E.ORPHAN)

    @precondition(lambda self: self.stage in (S.INTENDED, S.IN_DOUBT) and self.accepted)
    @rule()
    def callback_or_recovery_brings_the_ticket(self) -> None:
        self.happens(E.ADOPT)
        self.knows_ticket = True

    @precondition(lambda self: self.stage is S.IN_DOUBT)
    @rule()
    def an_honest_person_settles_it(self) -> None:
        self.happens(E.ADOPT if self.accepted else E.RULE_OUT)
        self.knows_ticket = bool(self.accepted)

    @rule(event=st.sampled_from([E.FINISH, E.FAIL, E.DELIVER, E.SPOIL, E.LOOK_AGAIN]))
    def the_vendor_and_the_file_say_something(self, event: Event) -> None:
        if (self.stage, event) in TRANSITIONS:
            self.happens(event)

    @invariant()
    def at_most_one_purchase(self) -> None:
        assert self.accepted <= 1

    @invariant()
    def nothing_bought_is_forgotten(self) -> None:
        if self.accepted:
            assert self.stage not in (S.OPEN, S.FAILED) or self.knows_ticket

    @invariant()
    def a_ticket_is_known_where_the_stage_says_so(self) -> None:
        assert (self.stage not in HAS_TICKET) or self.knows_ticket


SETTINGS = settings(
    max_examples=150, stateful_step_count=25, suppress_health_check=list(HealthCheck)
)
Attempt.TestCase.settings = SETTINGS
TestAttempt = Attempt.TestCase


@pytest.mark.parametrize(
    "broken",
    [
        {(S.INTENDED, E.LOSE): S.OPEN},  # the naive client: a lost answer is tried again
        {(S.INTENDED, E.ORPHAN): S.OPEN},  # the naive restart: an intent is sent again
    ],
)
def test_a_broken_rule_is_caught(
    broken: Mapping[tuple[Stage, Event], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The property would see a second purchase: with a naive table it does, within seconds."""
    table = MappingProxyType({**TRANSITIONS, **broken})
    monkeypatch.setattr(lifecycle, "TRANSITIONS", table)

    class Naive(Attempt):
        pass

    Naive.TestCase.settings = settings(
        SETTINGS, max_examples=1000, derandomize=True, database=None, phases=[Phase.generate]
    )
    with pytest.raises(AssertionError):
        Naive.TestCase("runTest").runTest()


@pytest.mark.parametrize("stage", list(Stage))
def test_what_the_table_does_not_know_cannot_happen(stage: Stage) -> None:
    """An impossible event is said, with the stage and the event, and moves nothing."""
    for event in Event:
        if (stage, event) not in TRANSITIONS:
            with pytest.raises(Impossible, match=f"`{event}`.*`{stage}`"):
                advance(stage, event)


def test_only_an_intent_posts() -> None:
    """No other stage may send a purchase, and an intent is reached from an open attempt only."""
    assert frozenset({S.INTENDED}) == POSTS
    assert [before for (before, _), after in TRANSITIONS.items() if after in POSTS] == [S.OPEN]


def test_nothing_leads_back_to_open_but_a_certain_no() -> None:
    """An attempt opens again only where the vendor or a person has said that it did not sell."""
    back = {event for (_, event), after in TRANSITIONS.items() if after is S.OPEN}
    assert back == {E.TURN_AWAY, E.RULE_OUT}


def test_what_is_settled_moves_only_to_look_again() -> None:
    """A finished attempt is never bought again under the same number.

    What was spoiled may turn out to be right, by other thresholds.
    """
    moves = {(before, event) for (before, event) in TRANSITIONS if before in SETTLED}
    assert moves == {
        (S.DONE, E.LOOK_AGAIN),
        (S.SPOILED, E.LOOK_AGAIN),
        (S.SPOILED, E.DELIVER),
    }
