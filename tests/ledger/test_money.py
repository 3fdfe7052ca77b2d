"""Caps hold, whoever buys at the same time; what was charged is never refused and never lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnihuman_blocks.domain.job import Failed, Job, Output, Ready, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import NOT_CHARGED, UNKNOWN_CHARGE, Charge, CostBasis
from omnihuman_blocks.edges.ledger import Alarm, Clip, Counter, Intended, Ledger, Wish
from omnihuman_blocks.edges.ledger.money import to_micro, to_usd
from omnihuman_blocks.errors import (
    BadDelivery,
    CannotStart,
    InDoubt,
    OverBudget,
    Refused,
    Transient,
)

D = Decimal
READY = Ready(outputs=(Output(url="https://v/1.mp4"),), generated_seconds=D("61.5"))


def reported(usd: str) -> Charge:
    return Charge(usd=D(usd), basis=CostBasis.REPORTED)


def counter(ledger: Ledger, scope: str) -> Counter:
    """The counter whose name begins so."""
    (found,) = [c for c in ledger.counters() if c.scope.startswith(scope)]
    return found


def amounts(ledger: Ledger, scope: str) -> list[Decimal]:
    """What is spent, and what is set aside."""
    found = counter(ledger, scope)
    return [found.spent_usd, found.reserved_usd]


def claimed(answer: object) -> Intended:
    assert isinstance(answer, Intended)
    return answer


CAPS: dict[str, Callable[[Ledger, Decimal | None], None]] = {
    "of this invocation": lambda ledger, usd: ledger.set_budget("inv", usd),
    "for fal": lambda ledger, usd: ledger.set_cap(usd, vendor="fal"),
    "per day for all vendors": lambda ledger, usd: ledger.set_cap(usd, per_day=True),
    "per day for fal": lambda ledger, usd: ledger.set_cap(usd, vendor="fal", per_day=True),
}


@pytest.mark.parametrize("words", CAPS)
def test_every_cap_holds_to_the_last_millionth(
    ledger: Ledger, make_wish: Callable[..., Wish], words: str
) -> None:
    """Two purchases fit exactly; a third does not, leaves no trace, and is told which cap."""
    CAPS[words](ledger, D("3.000000"))
    for _ in range(2):
        claimed(ledger.intend(make_wish(invocation="inv")))
    over = make_wish(invocation="inv", upper_bound=D("0.000001"))
    with pytest.raises(OverBudget, match=words):
        ledger.intend(over)
    assert ledger.state(over.submission.job.key) is None
    assert {c.reserved_usd for c in ledger.counters()} == {D(3)}
    CAPS[words](ledger, D("3.000001"))
    claimed(ledger.intend(over))


def test_a_cap_that_refuses_leaves_the_other_counters_alone(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """All scopes or none: the last one to be asked says no, and the first ones forget."""
    ledger.set_cap(D(1), vendor="fal", per_day=True)
    with pytest.raises(OverBudget):
        ledger.intend(make_wish(invocation="inv"))
    assert [c for c in ledger.counters() if c.reserved_usd or c.spent_usd] == []


def test_a_cap_of_another_vendor_or_invocation_does_not_count(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """Nothing but this purchase's own scopes can refuse it."""
    ledger.set_cap(D(0), vendor="runware")
    ledger.set_cap(D(0), vendor="runware", per_day=True)
    ledger.set_budget("another", D(0))
    claimed(ledger.intend(make_wish(invocation="inv")))


def test_an_unknown_price_is_never_bought_under_a_cap(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """A cap cannot be kept without a price, so one is asked for; without a cap it is bought."""
    claimed(ledger.intend(make_wish(upper_bound=None)))
    ledger.set_cap(D(1000), per_day=True)
    with pytest.raises(OverBudget, match="--price fal=USD_PER_SECOND"):
        ledger.intend(make_wish(upper_bound=None))


def test_the_charge_takes_the_place_of_the_reservation(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """Cheaper than reserved: the rest can be spent on something else."""
    claim = bought(ledger, invocation="inv")
    assert amounts(ledger, "vendor:fal") == [0, D("1.5")]
    applied = ledger.finish(claim.key, 1, READY, charge=reported("1.36"))
    assert (applied.stage, applied.alarm) == (Stage.READY, None)
    for scope in ("budget:inv", "day:", "vendor:fal", "vendor-day:fal"):
        assert amounts(ledger, scope) == [D("1.36"), 0]


def test_a_charge_above_its_reservation_is_recorded_and_raises_an_alarm(
    ledger: Ledger, bought: Callable[..., Intended], make_wish: Callable[..., Wish]
) -> None:
    """It was charged, whatever the cap says; the alarm sounds once, and nothing more is bought."""
    ledger.set_cap(D(2), vendor="fal")
    claim = bought(ledger)
    assert ledger.finish(claim.key, 1, READY, charge=reported("2.5")).alarm is (
        Alarm.ABOVE_RESERVATION
    )
    assert ledger.finish(claim.key, 1, READY, charge=reported("2.5")).alarm is None
    assert amounts(ledger, "vendor:fal") == [D("2.5"), 0]
    assert ledger.totals().above_reservation == 1
    with pytest.raises(OverBudget):
        ledger.intend(make_wish(upper_bound=D("0.01")))


def test_a_charge_that_is_corrected_is_counted_once(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """First by duration, then as the vendor reports it: the counters hold the latter alone."""
    claim = bought(ledger)
    ledger.finish(claim.key, 1, READY, charge=Charge(usd=D("1.4"), basis=CostBasis.DURATION))
    ledger.settle(claim.key, 1, reported("1.2"), who="ada")
    ledger.settle(claim.key, 1, UNKNOWN_CHARGE)  # who knows less does not overwrite
    assert amounts(ledger, "vendor:fal") == [D("1.2"), 0]
    state = ledger.state(claim.key)
    assert state is not None
    assert (state.charge, state.charged_usd) == (reported("1.200000"), D("1.2"))


KEPT: dict[str, Callable[[Ledger, Intended, Ticket], object]] = {
    "lost": lambda ledger, claim, _: ledger.lose(claim, InDoubt("no answer")),
    "finished, charge unknown": lambda ledger, claim, ticket: (
        ledger.accept(claim, ticket),
        ledger.finish(claim.key, 1, READY, charge=UNKNOWN_CHARGE),
    ),
    "failed, charge unknown": lambda ledger, claim, ticket: (
        ledger.accept(claim, ticket),
        ledger.fail(claim.key, 1, Failed(error=Refused("bad face"))),
    ),
    "failed and charged": lambda ledger, claim, ticket: (
        ledger.accept(claim, ticket),
        ledger.fail(claim.key, 1, Failed(error=Refused("bad face"), charged=True)),
    ),
    "spoiled": lambda ledger, claim, ticket: (
        ledger.accept(claim, ticket),
        ledger.finish(claim.key, 1, READY),
        ledger.spoil(claim.key, 1, BadDelivery("silence"), evidence={"likeness": "0.1"}),
    ),
}
RELEASED: dict[str, Callable[[Ledger, Intended, Ticket], object]] = {
    "turned away": lambda ledger, claim, _: ledger.turn_away(claim, Transient("later")),
    "refused": lambda ledger, claim, _: ledger.refuse(claim, Refused("no", "bad_input")),
    "ruled out": lambda ledger, claim, _: (
        ledger.lose(claim, InDoubt("no answer")),
        ledger.rule_out(ledger.in_doubt()[0], who="ada", why="not there"),
    ),
    "failed, not charged": lambda ledger, claim, ticket: (
        ledger.accept(claim, ticket),
        ledger.fail(claim.key, 1, Failed(error=Refused("bad face"), charged=False)),
    ),
    "nothing charged": lambda ledger, claim, ticket: (
        ledger.accept(claim, ticket),
        ledger.settle(claim.key, 1, NOT_CHARGED),
    ),
}


@pytest.mark.parametrize("how", KEPT)
def test_what_may_have_been_charged_stays_set_aside(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket], how: str
) -> None:
    """In doubt, or of unknown cost: the money is not given to somebody else."""
    KEPT[how](ledger, claimed(ledger.intend(make_wish())), ticket())
    assert amounts(ledger, "vendor:fal") == [0, D("1.5")]
    assert ledger.totals().reserved_usd == D("1.5")


@pytest.mark.parametrize("how", RELEASED)
def test_what_was_not_charged_is_given_back(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket], how: str
) -> None:
    """A certain no costs nothing and blocks nothing."""
    RELEASED[how](ledger, claimed(ledger.intend(make_wish())), ticket())
    assert amounts(ledger, "vendor:fal") == [0, 0]
    assert ledger.totals().reserved_usd == 0


def test_a_purchase_of_unknown_price_is_counted_when_its_charge_is_known(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """Nothing could be set aside for it, so nothing is above; what it cost is spent."""
    claim = bought(ledger, upper_bound=None, invocation="inv")
    assert ledger.finish(claim.key, 1, READY, charge=reported("1.36")).alarm is None
    for scope in ("budget:inv", "day:", "vendor:fal", "vendor-day:fal"):
        assert amounts(ledger, scope) == [D("1.36"), 0]


def test_an_upper_bound_is_an_amount_of_money(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """A negative one would make room under a cap."""
    with pytest.raises(ValueError, match="no amount of money"):
        ledger.intend(make_wish(upper_bound=D(-1)))
    assert ledger.totals().attempts == 0


def test_a_person_can_settle_what_nobody_knew(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """The vendor's invoice says it: the reservation ends, and the state says how it is known."""
    claim = bought(ledger)
    ledger.fail(claim.key, 1, Failed(error=Refused("bad face")))
    assert ledger.totals().unknown_charges == 1
    ledger.settle(claim.key, 1, reported("0.4"), who="ada")
    assert amounts(ledger, "vendor:fal") == [D("0.4"), 0]
    assert ledger.totals().unknown_charges == 0
    assert "[ada]" in ledger.history(claim.key)


def test_a_purchase_counts_on_the_day_of_its_intent(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """Set aside on one day and charged on the next: it is the first day's money."""
    before = datetime.now(UTC).date()
    claim = bought(ledger)
    ledger.settle(claim.key, 1, reported("1"))
    after = datetime.now(UTC).date()
    scopes = {c.scope for c in ledger.counters()}
    assert {f"day:{before}", f"vendor-day:fal:{before}"} <= scopes or before != after
    assert len(scopes) == 3


def test_an_adopted_purchase_without_an_intent_is_counted(
    ledger: Ledger,
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
    ticket: Callable[..., Ticket],
) -> None:
    """A purchase that we had ruled out comes back with a bill: the bill is in the counters."""
    job = make_job()
    claim = claimed(ledger.intend(make_wish(job)))
    ledger.turn_away(claim, Transient("later"))
    ledger.adopt(job.key, 1, ticket(), who="callback")
    ledger.finish(job.key, 1, READY, charge=reported("1.1"))
    ledger.deliver(job.key, 1, Clip(file="a.mp4", sha256="c" * 64, size=9))
    assert amounts(ledger, "vendor:fal") == [D("1.1"), 0]


def test_a_cap_is_an_amount_of_money(ledger: Ledger) -> None:
    """Nonsense is refused before it could let anything through; None lifts a cap."""
    for nonsense in ("-1", "NaN", "Infinity"):
        with pytest.raises(CannotStart):
            ledger.set_cap(D(nonsense), per_day=True)
    with pytest.raises(CannotStart):
        ledger.set_cap(D(1))
    ledger.set_cap(D("2.5"), per_day=True)
    assert ledger.caps() == {"day": D("2.5")}
    ledger.set_cap(None, per_day=True)
    assert ledger.caps() == {}


@given(st.decimals(min_value=0, max_value=10**9, places=6))
def test_money_is_exact_to_a_millionth(usd: Decimal) -> None:
    """What goes in comes out, as a whole number in between."""
    assert to_usd(to_micro(usd)) == usd


MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ["buy", "buy", "away", "refuse", "lose", "rule_out", "finish", "fail", "settle"]
        ),
        st.integers(0, 5),
        st.decimals(min_value=0, max_value=3, places=2),
    ),
    max_size=25,
)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(moves=MOVES, caps=st.tuples(*[st.none() | st.integers(0, 8)] * 4))
def test_no_order_of_events_takes_reservations_over_a_cap(
    *,
    kind: str,
    moves: list[tuple[str, int, Decimal]],
    caps: tuple[int | None, ...],
    many_ledgers: Callable[[str], Ledger],
    make_wish: Callable[..., Wish],
    ticket: Callable[..., Ticket],
) -> None:
    """Whatever happens, in whatever order: as long as no vendor charges more than its upper bound,
    spent and reserved stay under every cap, and the counters agree with the attempts."""
    ledger = many_ledgers(kind)
    for set_it, cap in zip(CAPS.values(), caps, strict=True):
        set_it(ledger, None if cap is None else D(cap))
    claims: list[Intended] = []
    for move in moves:
        _play(move, ledger=ledger, claims=claims, make_wish=make_wish, ticket=ticket)
        for c in ledger.counters():
            assert c.cap_usd is None or c.spent_usd + c.reserved_usd <= c.cap_usd
    totals = ledger.totals()
    for scope in {c.scope for c in ledger.counters()}:
        assert amounts(ledger, scope) == [totals.charged_usd, totals.reserved_usd]


def _play(
    planned: tuple[str, int, Decimal],
    *,
    ledger: Ledger,
    claims: list[Intended],
    make_wish: Callable[..., Wish],
    ticket: Callable[..., Ticket],
) -> None:
    """One move on one of the claims, where its stage admits it."""
    move, which, usd = planned
    if move == "buy":
        with suppress(OverBudget):
            claims.append(claimed(ledger.intend(make_wish(upper_bound=usd, invocation="inv"))))
        return
    if not claims:
        return
    claim = claims[which % len(claims)]
    state = ledger.state(claim.key)
    assert state is not None
    assert state.upper_bound is not None
    bill = Charge(usd=min(usd, state.upper_bound), basis=CostBasis.REPORTED)
    if state.stage is Stage.INTENDED and move == "finish":
        ledger.accept(claim, ticket())
        ledger.finish(claim.key, 1, READY, charge=bill if which else UNKNOWN_CHARGE)
    elif state.stage is Stage.INTENDED and move == "fail":
        ledger.accept(claim, ticket())
        ledger.fail(claim.key, 1, Failed(error=Refused("no"), charged=[None, False][which % 2]))
    elif state.stage is Stage.INTENDED:
        ends: dict[str, Callable[[], Any]] = {
            "away": lambda: ledger.turn_away(claim, Transient("later")),
            "refuse": lambda: ledger.refuse(claim, Refused("no")),
            "lose": lambda: ledger.lose(claim, InDoubt("no answer")),
        }
        ends.get(move, lambda: None)()
    elif state.stage is Stage.IN_DOUBT and move == "rule_out":
        ledger.rule_out(ledger.in_doubt([claim.key])[0], who="ada", why="not there")
    elif state.stage in (Stage.READY, Stage.FAILED) and move == "settle":
        ledger.settle(claim.key, 1, bill)


def test_four_processes_together_cannot_overspend(
    ledger: Ledger, address: str, child: Callable[..., Any]
) -> None:
    """They reserve, settle and give back as fast as they can; the cap was for ten."""
    ledger.set_budget("race", D("10.00"))
    processes = [child("spend", address, "30") for _ in range(4)]
    for process in processes:
        assert process.says() == "ready"
    for process in processes:
        process.hears()
    bought = sum(int(process.says()) for process in processes)
    spent, reserved = amounts(ledger, "budget:race")
    assert spent + reserved == D("10.00")
    assert bought == 10
