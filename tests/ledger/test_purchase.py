"""The door for money: one claim per attempt, written before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from omnihuman_blocks.domain.job import Job, JobKey, Ticket
from omnihuman_blocks.domain.lifecycle import Impossible, Stage
from omnihuman_blocks.edges.ledger import Already, HeldByOther, Intended, Ledger, Wish
from omnihuman_blocks.errors import InDoubt, Refused, Transient


def test_an_intent_is_written_before_anything_is_sent(
    ledger: Ledger, address: str, make_wish: Callable[..., Wish]
) -> None:
    """Whoever opens the ledger after `intend` returned sees the claim, the money, the request."""
    wish = make_wish()
    claim = ledger.intend(wish)
    assert isinstance(claim, Intended)
    with Ledger.open(address) as other:
        state = other.state(claim.key)
        assert state is not None
        assert state.stage is Stage.INTENDED
        assert state.reserved_usd == Decimal("1.50")
        assert other.by_token(wish.callback_token) == (claim.key, 1)


def test_a_claimed_attempt_is_held_against_everybody(
    ledger: Ledger, address: str, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """Another process, and another caller in the same one, are told who holds it."""
    job = make_job()
    ledger.intend(make_wish(job))
    with Ledger.open(address) as other:
        for asked in (ledger, other):
            answer = asked.intend(make_wish(job))
            assert isinstance(answer, HeldByOther)
            assert "process" in answer.owner


def test_a_bought_job_is_not_bought_again(
    ledger: Ledger,
    make_job: Callable[..., Job],
    make_wish: Callable[..., Wish],
    bought: Callable[..., Intended],
) -> None:
    """Where there is a ticket, the answer to a wish is that ticket."""
    job = make_job()
    bought(ledger, job)
    answer = ledger.intend(make_wish(job))
    assert isinstance(answer, Already)
    assert answer.state.stage is Stage.ACCEPTED
    assert isinstance(answer.state.ticket, Ticket)


def test_the_request_is_kept_as_it_was_sent(ledger: Ledger, make_wish: Callable[..., Wish]) -> None:
    """A doubt holds the addresses and the body, numbers as numbers, for a room to ask again."""
    wish = make_wish(body={"b": [1, Decimal("9.5"), True, None], "a": "grüße 🎬"})
    claim = ledger.intend(wish)
    assert isinstance(claim, Intended)
    ledger.lose(claim, InDoubt("no answer"))
    (doubt,) = ledger.in_doubt()
    assert doubt.body == {"b": [1, Decimal("9.5"), True, None], "a": "grüße 🎬"}
    assert (doubt.image, doubt.audio) == (wish.submission.image, wish.submission.audio)
    assert (doubt.said, doubt.provider) == ("no answer", "fal")
    assert doubt.callback_token == wish.callback_token


def test_a_wish_can_be_made_again_after_it_was_turned_away(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """The same request under the same callback token, as a new intent with money of its own."""
    wish = make_wish()
    first = ledger.intend(wish)
    assert isinstance(first, Intended)
    assert ledger.turn_away(first, Transient("too many requests")).stage is Stage.OPEN
    second = ledger.intend(wish)
    assert isinstance(second, Intended)
    assert second.intent != first.intent
    assert ledger.still_mine(first) == 0.0
    assert ledger.still_mine(second) > 0
    assert ledger.turn_away(first, Transient("too many requests")).moved is False
    assert ledger.by_token(wish.callback_token) == (second.key, 1)
    assert ledger.totals().intents == 2


def test_callback_tokens_cannot_be_guessed_and_are_not_shown(
    make_wish: Callable[..., Wish], ledger: Ledger
) -> None:
    """Each is new, long and random, and stays out of what is printed or logged."""
    wishes = [make_wish() for _ in range(50)]
    tokens = {wish.callback_token for wish in wishes}
    assert len(tokens) == 50
    assert min(len(token) for token in tokens) >= 32
    claim = ledger.intend(wishes[0])
    assert wishes[0].callback_token not in f"{wishes[0]!r} {claim!r}"
    assert ledger.by_token("unknown") is None


def test_a_token_that_two_jobs_share_names_neither(
    ledger: Ledger, make_wish: Callable[..., Wish]
) -> None:
    """A ticket must never be given to the wrong job."""
    for _ in range(2):
        ledger.intend(make_wish(callback_token="same"))
    assert ledger.by_token("same") is None


def test_an_attempt_must_be_opened_before_it_is_bought(
    ledger: Ledger, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> None:
    """No caller jumps over a number, or falls back to an older one."""
    job = make_job()
    with pytest.raises(Impossible, match="never opened"):
        ledger.intend(make_wish(job, attempt=2))
    assert ledger.state(job.key) is None
    claim = ledger.intend(make_wish(job))
    assert isinstance(claim, Intended)
    ledger.refuse(claim, Refused("no", "bad_input"))
    assert ledger.open_attempt(job.key, after=1, by="person", who="ada") == 2
    answer = ledger.intend(make_wish(job))
    assert isinstance(answer, Already)
    assert answer.state.attempt == 2
    assert isinstance(ledger.intend(make_wish(job, attempt=2)), Intended)


def test_tickets_that_arrive_together_are_written_together(
    ledger: Ledger, make_wish: Callable[..., Wish], ticket: Callable[..., Ticket]
) -> None:
    """One commit; the answers are in the order of the tickets."""
    claims = [ledger.intend(make_wish()) for _ in range(5)]
    held = [claim for claim in claims if isinstance(claim, Intended)]
    ledger.lose(held[2], InDoubt("no answer"))
    applied = ledger.accept_many([(claim, ticket(f"t-{claim.key}")) for claim in reversed(held)])
    assert [one.stage for one in applied] == [Stage.ACCEPTED] * 5
    for state in ledger.waiting():
        assert state.ticket is not None
        assert state.ticket.id == f"t-{state.key}"
        assert state.error is None


def test_facts_about_unknown_attempts_are_refused(
    ledger: Ledger, ticket: Callable[..., Ticket]
) -> None:
    """A ticket for a job that nobody enrolled is an error of ours, said with the key."""
    with pytest.raises(Impossible, match="no attempt 1 at job nothing"):
        ledger.adopt(JobKey("nothing"), 1, ticket(), who="callback")
    with pytest.raises(Impossible, match="no attempt 1 at job nothing"):
        ledger.open_attempt(JobKey("nothing"), after=1, by="person")
