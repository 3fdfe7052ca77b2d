"""What a catalogue knows in, a ledger that will not buy it again out.

For the day on which the ledger was lost and its results were not. It only adds jobs that the
ledger does not have; what is written there already is better informed than any catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from omnihuman_blocks.domain.job import JobKey, Ticket
from omnihuman_blocks.domain.lifecycle import Event, Stage, advance
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges.ledger import money
from omnihuman_blocks.edges.ledger.aftermath import clip_columns
from omnihuman_blocks.edges.ledger.reading import among
from omnihuman_blocks.edges.ledger.records import Clip, ErrorNote, new_token
from omnihuman_blocks.edges.ledger.schema import attempts, clips, events, intents, jobs
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction
from omnihuman_blocks.edges.ledger.values import ticket_record

REBUILD = "rebuild"
AT_ONCE = 1_000

E, S = Event, Stage
PATHS: Mapping[tuple[Stage, bool], tuple[Event, ...]] = MappingProxyType(
    {
        # (where it stood, whether a ticket is known): how it must have come there
        (S.ACCEPTED, True): (E.ADOPT,),
        (S.READY, True): (E.ADOPT,),  # where the video is must be asked again
        (S.DONE, True): (E.ADOPT, E.FINISH, E.DELIVER),
        (S.DONE, False): (E.ADOPT, E.FINISH, E.DELIVER),
        (S.SPOILED, True): (E.ADOPT, E.FINISH, E.SPOIL),
        (S.SPOILED, False): (E.ADOPT, E.FINISH, E.SPOIL),
        (S.FAILED, True): (E.ADOPT, E.FAIL),
        (S.FAILED, False): (E.INTEND, E.REFUSE),
        (S.INTENDED, False): (E.INTEND, E.ORPHAN),
        (S.IN_DOUBT, False): (E.INTEND, E.ORPHAN),
        (S.IN_DOUBT, True): (E.ADOPT,),
    }
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """One job as a catalogue tells of it."""

    key: JobKey
    provider: str
    model: str
    stage: Stage
    attempt: int = 1
    audio_seconds: Decimal | None = None
    media: Mapping[str, str] = field(default_factory=dict)
    ticket_id: str | None = None
    charge: Charge | None = None
    error: ErrorNote | None = None
    retryable: bool | None = None
    clip: Clip | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None


class Rebuilding(Chapter):
    """Enrols what is known elsewhere."""

    def rebuild(self, rows: Iterable[Known]) -> int:
        """Enrols every job that the ledger does not know; returns how many these were.

        What they cost counts against standing caps on the day on which they were bought, and is
        never refused: it has been paid.
        """
        remaining, enrolled = iter(rows), 0
        while some := list(islice(remaining, AT_ONCE)):
            enrolled += self._store.write(partial(_enrol, rows=some))
        return enrolled


def _enrol(tx: Transaction, rows: Sequence[Known]) -> int:
    keys = {row.key: row for row in reversed(rows)}  # the first line that names a job counts
    known = tx.run(sa.select(jobs.c.key).where(among(tx, jobs.c.key, list(keys)))).scalars()
    for key in known:
        del keys[JobKey(key)]
    new = [row for row in keys.values() if (row.stage, row.ticket_id is not None) in PATHS]
    if not new:
        return 0
    tx.run(sa.insert(jobs), [_job(tx, row) for row in new])
    lives = [_life(tx, row) for row in new]
    tx.run(sa.insert(attempts), [attempt for attempt, _ in lives])
    tx.run(sa.insert(events), [happening for _, life in lives for happening in life])
    _add(tx, clips, [clip_columns(r.key, r.attempt, r.clip) for r in new if r.clip is not None])
    for attempt, _ in lives:
        if attempt["stage"] == Stage.IN_DOUBT.value:
            _write_intent(tx, attempt)
    _count(tx, [attempt for attempt, _ in lives])
    return len(new)


def _add(tx: Transaction, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        tx.run(sa.insert(table), rows)


def _job(tx: Transaction, row: Known) -> dict[str, Any]:
    return {
        "key": row.key,
        "provider": row.provider,
        "model": row.model,
        "audio_seconds": row.audio_seconds,
        "media": dict(row.media),
        "options": {},
        "variant": 1,
        "enrolled_at": tx.now,
    }


def _life(tx: Transaction, row: Known) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The attempt, and the events that must have led there."""
    bought, ended = row.submitted_at or tx.now, row.finished_at or row.submitted_at or tx.now
    stage, life = Stage.OPEN, []
    for number, event in enumerate(PATHS[row.stage, row.ticket_id is not None]):
        stage = advance(stage, event)
        life.append(
            {
                "job_key": row.key,
                "attempt": row.attempt,
                "at": ended if number else bought,
                "who": REBUILD,
                "event": event.value,
                "stage": stage.value,
                "detail": _detail(row, event),
            }
        )
    return _attempt(row, stage, bought, ended), life


def _detail(row: Known, event: Event) -> Record:
    detail: Record = {"rebuilt": True}
    if event is Event.ADOPT:
        detail["ticket"] = row.ticket_id
    if event is Event.DELIVER and row.clip is not None:
        detail["file"] = row.clip.file
    if row.charge is not None and event in (Event.DELIVER, Event.SPOIL, Event.FAIL):
        detail["charged_usd"] = money.shown(row.charge.usd)
        detail["basis"] = row.charge.basis.value
    if row.error is not None and event in (Event.SPOIL, Event.FAIL, Event.REFUSE):
        detail |= {"error": row.error.name, "message": row.error.message}
    return detail


def _attempt(row: Known, stage: Stage, bought: datetime, ended: datetime) -> dict[str, Any]:
    ticket = row.ticket_id and Ticket(provider=row.provider, model=row.model, id=row.ticket_id)
    charge, error = row.charge, row.error
    over = stage in (Stage.DONE, Stage.SPOILED, Stage.FAILED)
    return {
        "job_key": row.key,
        "attempt": row.attempt,
        "stage": stage.value,
        "opened_by": REBUILD,
        "held": False,
        "scopes": money.written(money.scopes_of(row.provider, bought.date(), None)),
        "charge_micro": None
        if charge is None or charge.usd is None
        else money.to_micro(charge.usd),
        "cost_basis": None if charge is None else charge.basis.value,
        "ticket_id": row.ticket_id,
        "ticket": ticket_record(ticket) if ticket else None,
        "error_class": None if error is None else error.name,
        "error_message": None if error is None else error.message,
        "vendor_code": None if error is None else error.code,
        "retryable": row.retryable,
        "charged": False if charge and charge.basis is CostBasis.NOT_CHARGED else None,
        "intended_at": bought,
        "submitted_at": bought if ticket else None,
        "finished_at": ended if over else None,
        "done_at": ended if stage is Stage.DONE else None,
    }


def _write_intent(tx: Transaction, attempt: Mapping[str, Any]) -> None:
    """A doubt needs an intent to be about, even where its request is forgotten."""
    place = {"job_key": attempt["job_key"], "attempt": attempt["attempt"]}
    intent = tx.insert_numbered(
        intents,
        **place,
        callback_token=new_token(),
        owner=REBUILD,
        at=attempt["intended_at"],
        addresses={},
    )
    tx.run(sa.update(attempts).filter_by(**place).values(intent=intent))


def _count(tx: Transaction, enrolled: list[dict[str, Any]]) -> None:
    """Each counter once, in the order in which everybody locks them."""
    spent: Counter[tuple[str, str]] = Counter()
    for attempt in enrolled:
        for name, rule in attempt["scopes"]:
            spent[name, rule] += attempt["charge_micro"] or 0
    for (name, rule), micro in sorted(spent.items()):
        if micro:
            money.count(tx, [[name, rule]], reserved=0, spent=micro)
