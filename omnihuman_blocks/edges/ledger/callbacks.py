"""What vendors' callbacks bring: a ticket that was missing, or the news that a job has ended.

Nothing else of a callback is written down. How the job stands, where its video is and what it
cost is always the answer to a question of our own.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from omnihuman_blocks.domain.job import JobKey, Ticket
from omnihuman_blocks.domain.lifecycle import Event, Stage
from omnihuman_blocks.edges.ledger import facts, purchase
from omnihuman_blocks.edges.ledger.records import Heard
from omnihuman_blocks.edges.ledger.schema import events
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction

WHO = CALL = "callback"
MOST_STRAYS = 10
"""Tickets too many that are kept of one attempt. A vendor makes one by mistake, not hundreds."""


class Calls(Chapter):
    """Heard by whoever receives callbacks, looked for by whoever waits."""

    def hear(self, key: JobKey, attempt: int, ticket: Ticket) -> Heard:
        """A vendor called about this attempt and named this ticket."""
        return self._store.write(lambda tx: _hear(tx, key, attempt, ticket))

    def last_call(self) -> int:
        """Where `calls_since` begins for who has heard nothing yet."""
        newest = sa.select(sa.func.max(events.c.id))
        return self._store.read(lambda tx: tx.run(newest).scalar_one()) or 0

    def calls_since(self, last: int) -> tuple[int, list[JobKey]]:
        """The jobs that vendors called about since then, and where the next look begins."""
        later = sa.select(events.c.id, events.c.job_key).where(
            events.c.id > last, events.c.event == CALL
        )
        rows = self._store.read(lambda tx: tx.run(later.order_by(events.c.id)).all())
        return (rows[-1].id if rows else last), [JobKey(row.job_key) for row in rows]


def _hear(tx: Transaction, key: JobKey, attempt: int, ticket: Ticket) -> Heard:
    row = facts.held_row(tx, key, attempt)
    if _has_strays_enough(row, ticket):
        return Heard.STRAY
    applied = purchase.take_ticket(tx, row, Event.ADOPT, ticket, who=WHO)
    if applied.alarm is not None:
        return Heard.STRAY
    if applied.moved:
        _note(tx, row, applied.stage, ticket)
        return Heard.ADOPTED
    if applied.stage is not Stage.ACCEPTED or _is_noted(tx, row):
        return Heard.REPEATED
    _note(tx, row, applied.stage, ticket)
    return Heard.NEWS


def _has_strays_enough(row: sa.Row[Any], ticket: Ticket) -> bool:
    """So that nobody who knows one token can fill the ledger."""
    return row.ticket_id != ticket.id and len(row.further_tickets or ()) >= MOST_STRAYS


def _note(tx: Transaction, row: sa.Row[Any], stage: Stage, ticket: Ticket) -> None:
    facts.note(tx, row, CALL, stage, detail={"ticket": ticket.id}, who=WHO)


def _is_noted(tx: Transaction, row: sa.Row[Any]) -> bool:
    noted = sa.select(events.c.id).where(
        events.c.job_key == row.job_key, events.c.attempt == row.attempt, events.c.event == CALL
    )
    return tx.run(noted.limit(1)).first() is not None
