"""What a callback may write: a ticket that was missing, and that there is news. Nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from omnihuman_blocks.domain.job import Job, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.ledger import Heard, Intended, JobState, Ledger, Wish
from omnihuman_blocks.edges.ledger.callbacks import MOST_STRAYS
from omnihuman_blocks.errors import InDoubt, Refused


def state_of(ledger: Ledger, claim: Intended) -> JobState:
    state = ledger.state(claim.key)
    assert state is not None
    return state


def intended(ledger: Ledger, wish: Wish) -> Intended:
    claim = ledger.intend(wish)
    assert isinstance(claim, Intended)
    return claim


def test_a_callback_settles_a_doubt_once(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> None:
    """It brings the ticket; what is set aside stays so, and repeating it changes nothing."""
    claim, bought = intended(ledger, make_wish()), ticket("the-one")
    ledger.lose(claim, InDoubt("hung up"))
    last = ledger.last_call()
    assert ledger.hear(claim.key, 1, bought) is Heard.ADOPTED
    state = state_of(ledger, claim)
    assert (state.stage, state.ticket, state.error) == (Stage.ACCEPTED, bought, None)
    assert state.reserved_usd > 0
    assert ledger.hear(claim.key, 1, bought) is Heard.REPEATED
    assert state_of(ledger, claim) == state
    assert ledger.calls_since(last)[1] == [claim.key]
    assert "The vendor called about ticket the-one" in ledger.history(claim.key)
    assert ledger.in_doubt() == []


def test_a_callback_may_be_faster_than_the_answer(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> None:
    """The answer that comes after it, with the ticket or lost, changes nothing any more."""
    claims = [intended(ledger, make_wish()) for _ in range(2)]
    tickets = [ticket(), ticket()]
    for claim, bought in zip(claims, tickets, strict=True):
        assert ledger.hear(claim.key, 1, bought) is Heard.ADOPTED
    assert ledger.accept(claims[0], tickets[0]).alarm is None
    assert not ledger.lose(claims[1], InDoubt("hung up")).moved
    for claim, bought in zip(claims, tickets, strict=True):
        state = state_of(ledger, claim)
        assert (state.stage, state.ticket) == (Stage.ACCEPTED, bought)


def test_the_usual_callback_is_news_once(
    ledger: Ledger, bought: Callable[..., Intended], make_job: Callable[..., Job]
) -> None:
    """Whoever waits is told; those who begin to listen later are not bothered with it."""
    claim, other = bought(ledger), bought(ledger)
    begin = ledger.last_call()
    known = state_of(ledger, claim).ticket
    assert known is not None
    assert ledger.hear(claim.key, 1, known) is Heard.NEWS
    assert ledger.hear(claim.key, 1, known) is Heard.REPEATED
    last, keys = ledger.calls_since(begin)
    assert keys == [claim.key]
    assert ledger.calls_since(last) == (last, [])
    assert ledger.calls_since(ledger.last_call())[1] == []
    assert state_of(ledger, other).stage is Stage.ACCEPTED


def test_a_purchase_too_many_is_kept_and_cannot_fill_the_ledger(
    ledger: Ledger, bought: Callable[..., Intended], ticket: Callable[..., Ticket]
) -> None:
    """Another ticket may be another bill, so it is kept; a flood of them is not."""
    claim = bought(ledger)
    for number in range(MOST_STRAYS + 5):
        assert ledger.hear(claim.key, 1, ticket(f"stray-{number}")) is Heard.STRAY
    state = state_of(ledger, claim)
    assert len(state.further_tickets) == MOST_STRAYS
    assert state.stage is Stage.ACCEPTED
    assert state.ticket is not None
    assert ledger.hear(claim.key, 1, state.ticket) is Heard.NEWS


def test_what_was_refused_stays_refused(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> None:
    """A callback about an attempt that was never sold is a stray one."""
    claim = intended(ledger, make_wish())
    ledger.refuse(claim, Refused("no face", "no_face"))
    assert ledger.hear(claim.key, 1, ticket()) is Heard.STRAY
    assert state_of(ledger, claim).stage is Stage.FAILED


def test_a_doubt_remembers_whom_the_vendor_was_told_to_call(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """So that a repeat is the same request, and so that a callback can be waited for."""
    wish = make_wish()
    address = f"https://hooks.example/fal/{wish.callback_token}"
    called = replace(wish, submission=replace(wish.submission, callback=address))
    ledger.lose(intended(ledger, called), InDoubt("hung up"))
    ledger.lose(intended(ledger, make_wish()), InDoubt("hung up"))
    first, second = ledger.in_doubt()
    assert (first.callback, second.callback) == (address, None)
    assert wish.callback_token not in repr(first)


def test_a_wish_to_cancel_is_an_event_and_moves_nothing(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """With who asked and what the vendor said."""
    claim = bought(ledger)
    ledger.asked_to_cancel(claim.key, 1, said="CANCELLATION_REQUESTED", who="ada on desk")
    assert state_of(ledger, claim).stage is Stage.ACCEPTED
    told = ledger.history(claim.key)
    assert "was asked to cancel it and said: CANCELLATION_REQUESTED" in told
    assert "[ada on desk]" in told
