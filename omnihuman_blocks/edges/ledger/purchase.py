"""The door for money: who may send a purchase, and how it ended.

`intend` commits the claim, the reservation and the request before anything is sent. What its
owner says afterwards is bound to that very intent by its number: a claim that was taken over, ruled
out and taken again by somebody else cannot be ended by its first owner's late words. Only a ticket
is always kept, whoever brings it, because behind every ticket is a bill.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import sqlalchemy as sa

from omnihuman_blocks.domain.job import JobKey, Ticket
from omnihuman_blocks.domain.lifecycle import TRANSITIONS, Event, Impossible, Stage
from omnihuman_blocks.domain.pricing import NOT_CHARGED
from omnihuman_blocks.domain.wire import Json, Record
from omnihuman_blocks.edges.ledger import facts, leases, money, reading
from omnihuman_blocks.edges.ledger.records import (
    Alarm,
    Already,
    Applied,
    Claim,
    Doubt,
    HeldByOther,
    Intended,
    Wish,
)
from omnihuman_blocks.edges.ledger.schema import attempts, intents, jobs
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction
from omnihuman_blocks.edges.ledger.values import (
    NO_ERROR,
    error_columns,
    error_record,
    media_of,
    ticket_record,
)
from omnihuman_blocks.errors import OmniHumanError

Fact: TypeAlias = Callable[[Transaction, sa.Row[Any]], Applied]

NO_CLAIM = {"owner": None, "lease_until": None}


class Purchases(Chapter):
    """From a wish to a ticket, a refusal or a doubt."""

    _leases: leases.Leases

    def intend(self, wish: Wish) -> Claim:
        """Claims, reserves and writes the intent, or says why there is nothing to send.

        Raises `OverBudget`, which leaves no trace, where a cap does not allow it.
        """
        self._store.check_in_place()
        lease = self._leases.begin()
        length = timedelta(seconds=lease.seconds)
        claim = self._store.write(lambda tx: _intend(tx, wish, length))
        if isinstance(claim, Intended):
            self._leases.hold(claim.intent, lease)
        return claim

    def still_mine(self, claim: Intended) -> float:
        """Seconds left of the claim's lease; 0.0: do not send. Asks no database, only clocks."""
        return self._leases.left(claim.intent)

    def turn_away(self, claim: Intended, error: OmniHumanError) -> Applied:
        """It was provably not accepted: the attempt is open again, its reservation given back."""
        return self._end(claim, lambda tx, row: _turn_away(tx, row, error), error)

    def refuse(self, claim: Intended, error: OmniHumanError) -> Applied:
        """The vendor refused it for good, and charges nothing."""
        return self._end(claim, lambda tx, row: _refuse(tx, row, error), error)

    def lose(self, claim: Intended, error: OmniHumanError) -> Applied:
        """The answer was lost: it is in doubt, and its reservation is kept."""
        return self._end(claim, lambda tx, row: _lose(tx, row, error), error)

    def accept(self, claim: Intended, ticket: Ticket) -> Applied:
        """The vendor has it. Call this again and again until it returns."""
        try:
            return self._store.write(lambda tx: _accept(tx, claim, ticket))
        finally:
            self._leases.drop(claim.intent)

    def accept_many(self, tickets: list[tuple[Intended, Ticket]]) -> list[Applied]:
        """Several tickets in one commit, for a vendor that answers many purchases at once."""
        # Everybody locks attempts in the same order, and counters are not touched here.
        order = sorted(range(len(tickets)), key=lambda n: _place(tickets[n][0]))

        def work(tx: Transaction) -> dict[int, Applied]:
            return {n: _accept(tx, *tickets[n]) for n in order}

        try:
            applied = self._store.write(work)
        finally:
            for claim, _ in tickets:
                self._leases.drop(claim.intent)
        return [applied[n] for n in range(len(tickets))]

    def adopt(self, key: JobKey, attempt: int, ticket: Ticket, *, who: str) -> Applied:
        """A ticket that recovery found, a callback brought or a person named."""
        return self._store.write(
            lambda tx: take_ticket(
                tx, facts.held_row(tx, key, attempt), Event.ADOPT, ticket, who=who
            )
        )

    def rule_out(self, doubt: Doubt, *, who: str, why: str) -> Applied:
        """It was not bought, says the vendor or a person: the attempt is open again.

        Bound to the intent that was in doubt; a newer one is not touched.
        """
        return self._store.write(lambda tx: _rule_out(tx, doubt, who, why))

    def _end(self, claim: Intended, fact: Fact, error: OmniHumanError) -> Applied:
        try:
            return self._store.write(lambda tx: _if_mine(tx, claim, fact, error))
        finally:
            # Even where it could not be written: a claim that nobody ends must run out.
            self._leases.drop(claim.intent)


def _intend(tx: Transaction, wish: Wish, lease: timedelta) -> Claim:
    row = _enrolled_row(tx, wish)
    key, attempt = wish.submission.job.key, wish.submission.attempt
    if facts.is_written(tx, row):
        return _intended(wish, row.intent)
    if row.attempt < attempt:
        raise Impossible(f"Attempt {attempt} at job {key} was never opened; {row.attempt} is last")
    if row.stage == Stage.INTENDED:
        owner = reading.owner_words(tx, row.owner)
        return HeldByOther(key=key, attempt=row.attempt, owner=owner, until=row.lease_until)
    if row.attempt > attempt or row.stage != Stage.OPEN:
        return Already(state=reading.state_of(tx, key))
    scopes = money.scopes_of(wish.submission.job.provider, tx.now.date(), wish.invocation)
    intent = _write_intent(tx, wish)
    facts.happen(
        tx,
        row,
        Event.INTEND,
        detail={"reserved_usd": money.shown(wish.upper_bound)},
        owner=tx.owner.id,
        lease_until=tx.now + lease,
        intent=intent,
        intended_at=tx.now,
        reserved_micro=None if wish.upper_bound is None else money.to_micro(wish.upper_bound),
        held=wish.upper_bound is not None,
        scopes=money.written(scopes),
    )
    # Last, because on a server every buyer waits for these few rows.
    money.reserve(tx, scopes, wish.upper_bound, wish.submission.job.provider)
    return _intended(wish, intent)


def _intended(wish: Wish, intent: int) -> Intended:
    return Intended(
        key=wish.submission.job.key,
        attempt=wish.submission.attempt,
        intent=intent,
        callback_token=wish.callback_token,
    )


def _enrolled_row(tx: Transaction, wish: Wish) -> sa.Row[Any]:
    """The latest attempt at the job, which is written down first where it is new."""
    job = wish.submission.job
    row = facts.latest_row(tx, job.key)
    if row is not None:
        return row
    tx.insert_missing(
        jobs,
        {
            "key": job.key,
            "provider": job.provider,
            "model": job.model,
            "audio_seconds": job.audio.seconds,
            "media": media_of(job),
            "options": job.options.content(),
            "variant": job.variant,
            "enrolled_at": tx.now,
        },
    )
    first = {"job_key": job.key, "attempt": 1, "stage": Stage.OPEN.value, "opened_by": "program"}
    tx.insert_missing(attempts, first)
    row = facts.latest_row(tx, job.key)
    assert row is not None  # noqa: S101 - it was written a line ago, by us or by another
    return row


def _write_intent(tx: Transaction, wish: Wish) -> int:
    submission = wish.submission
    addresses: Record = {"image": submission.image, "audio": submission.audio}
    if submission.mask is not None:
        addresses["mask"] = submission.mask
    if submission.callback is not None:
        addresses["callback"] = submission.callback
    return tx.insert_numbered(
        intents,
        callback_token=wish.callback_token,
        job_key=submission.job.key,
        attempt=submission.attempt,
        owner=tx.owner.id,
        at=tx.now,
        addresses=addresses,
        body=None if wish.body is None else _as_sent(wish.body),
    )


def _as_sent(body: Json) -> str:
    """Numbers stay numbers here, as the vendor sees them."""
    return json.dumps(body, default=float, allow_nan=False, sort_keys=True, ensure_ascii=False)


def _if_mine(tx: Transaction, claim: Intended, fact: Fact, error: OmniHumanError) -> Applied:
    row = facts.held_row(tx, claim.key, claim.attempt)
    if facts.is_written(tx, row):
        return Applied(stage=Stage(row.stage))
    if row.stage == Stage.INTENDED and row.intent == claim.intent:
        return fact(tx, row)
    facts.note(tx, row, "late_word", row.stage, detail=error_record(error))
    return Applied(stage=Stage(row.stage), moved=False)


def _turn_away(tx: Transaction, row: sa.Row[Any], error: OmniHumanError) -> Applied:
    changes = {**NO_CLAIM, **money.release(tx, row)}
    return Applied(
        stage=facts.happen(tx, row, Event.TURN_AWAY, detail=error_record(error), **changes)
    )


def _refuse(tx: Transaction, row: sa.Row[Any], error: OmniHumanError) -> Applied:
    settled = money.settle(tx, row, NOT_CHARGED).changes
    ended = {"retryable": False, "charged": False, "finished_at": tx.now}
    changes = {**NO_CLAIM, **settled, **ended, **error_columns(error)}
    return Applied(stage=facts.happen(tx, row, Event.REFUSE, detail=error_record(error), **changes))


def _lose(tx: Transaction, row: sa.Row[Any], error: OmniHumanError) -> Applied:
    changes = {**NO_CLAIM, **error_columns(error)}
    return Applied(stage=facts.happen(tx, row, Event.LOSE, detail=error_record(error), **changes))


def _accept(tx: Transaction, claim: Intended, ticket: Ticket) -> Applied:
    row = facts.held_row(tx, claim.key, claim.attempt)
    ours = row.intent == claim.intent
    known = (Stage(row.stage), Event.ACCEPT) in TRANSITIONS
    return take_ticket(tx, row, Event.ACCEPT if ours and known else Event.ADOPT, ticket)


def take_ticket(
    tx: Transaction, row: sa.Row[Any], event: Event, ticket: Ticket, *, who: str | None = None
) -> Applied:
    """The first ticket is the attempt's. Every other one is a purchase too many, and kept."""
    stage = Stage(row.stage)
    if row.ticket_id == ticket.id:
        return Applied(stage=stage, moved=False)
    if row.ticket_id is not None or (stage, event) not in TRANSITIONS:
        return _keep_stray(tx, row, ticket, who)
    taken = {
        **NO_CLAIM,
        **NO_ERROR,
        "ticket_id": ticket.id,
        "ticket": ticket_record(ticket),
        "submitted_at": tx.now if event is Event.ACCEPT else row.intended_at or tx.now,
    }
    detail: Record = {"ticket": ticket.id}
    return Applied(stage=facts.happen(tx, row, event, detail=detail, who=who, **taken))


def _keep_stray(tx: Transaction, row: sa.Row[Any], ticket: Ticket, who: str | None) -> Applied:
    kept = row.further_tickets or []
    if ticket.id not in [other["id"] for other in kept]:
        facts.change(tx, row, further_tickets=[*kept, ticket_record(ticket)])
        facts.note(tx, row, "stray_ticket", row.stage, detail={"ticket": ticket.id}, who=who)
    return Applied(stage=Stage(row.stage), moved=False, alarm=Alarm.STRAY_TICKET)


def _rule_out(tx: Transaction, doubt: Doubt, who: str, why: str) -> Applied:
    row = facts.held_row(tx, doubt.key, doubt.attempt)
    if facts.is_written(tx, row):
        return Applied(stage=Stage(row.stage))
    detail: Record = {"why": why}
    if row.stage != Stage.IN_DOUBT or row.intent != doubt.intent:
        facts.note(tx, row, "late_word", row.stage, detail=detail, who=who)
        return Applied(stage=Stage(row.stage), moved=False)
    changes = {**NO_CLAIM, **NO_ERROR, **money.release(tx, row)}
    return Applied(stage=facts.happen(tx, row, Event.RULE_OUT, detail=detail, who=who, **changes))


def _place(claim: Intended) -> tuple[str, int]:
    return claim.key, claim.attempt
