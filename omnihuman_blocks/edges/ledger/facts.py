"""Moves one attempt by one event: look, advance, write, note. Every change of a stage is here."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from omnihuman_blocks.domain.lifecycle import Event, Impossible, Stage, advance
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges.ledger.schema import attempts, events
from omnihuman_blocks.edges.ledger.store import Transaction

# Built once: building a statement takes SQLAlchemy longer than executing it.
OF_ATTEMPT = sa.and_(
    attempts.c.job_key == sa.bindparam("of_key"), attempts.c.attempt == sa.bindparam("of_attempt")
)
HELD = sa.select(attempts).where(OF_ATTEMPT).with_for_update()
LATEST = (
    sa.select(attempts)
    .where(attempts.c.job_key == sa.bindparam("of_key"))
    .order_by(attempts.c.attempt.desc())
    .limit(1)
    .with_for_update()
)
CHANGE = sa.update(attempts).where(OF_ATTEMPT)
NOTE = sa.insert(events)
MINE = sa.select(events.c.id).where(
    events.c.job_key == sa.bindparam("of_key"),
    events.c.attempt == sa.bindparam("of_attempt"),
    events.c.mark == sa.bindparam("of_mark"),
)


def held_row(tx: Transaction, key: str, attempt: int) -> sa.Row[Any]:
    """An attempt that nobody else changes until this transaction ends."""
    row = tx.run(HELD, {"of_key": key, "of_attempt": attempt}).one_or_none()
    if row is None:
        raise Impossible(f"The ledger has no attempt {attempt} at job {key}")
    return row


def latest_row(tx: Transaction, key: str) -> sa.Row[Any] | None:
    """The latest attempt at a job, held in the same way."""
    return tx.run(LATEST, {"of_key": key}).one_or_none()


def happen(
    tx: Transaction,
    row: sa.Row[Any],
    event: Event,
    *,
    detail: Record | None = None,
    who: str | None = None,
    **changes: Any,
) -> Stage:
    """The stage that follows, written with all that the event brings."""
    stage = advance(Stage(row.stage), event)
    changes["stage"] = stage.value
    change(tx, row, **changes)
    note(tx, row, event.value, stage, detail=detail, who=who)
    return stage


def change(tx: Transaction, row: sa.Row[Any], **changes: Any) -> None:
    """Writes columns of an attempt. The stage is written by `happen` alone."""
    if changes:
        tx.run(CHANGE, {"of_key": row.job_key, "of_attempt": row.attempt, **changes})


def note(
    tx: Transaction,
    row: sa.Row[Any],
    event: str,
    stage: str,
    *,
    detail: Record | None = None,
    who: str | None = None,
) -> None:
    """One more line in the job's life."""
    tx.run(
        NOTE,
        {
            "job_key": row.job_key,
            "attempt": row.attempt,
            "at": tx.now,
            "who": who or tx.owner.id,
            "event": event,
            "stage": stage,
            "detail": detail,
            "mark": tx.mark,
        },
    )


def is_written(tx: Transaction, row: sa.Row[Any]) -> bool:
    """Whether an earlier try of this transaction was committed though its answer was lost."""
    if not tx.again:
        return False
    mine = {"of_key": row.job_key, "of_attempt": row.attempt, "of_mark": tx.mark}
    return tx.run(MINE, mine).first() is not None
