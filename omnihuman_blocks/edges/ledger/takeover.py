"""What becomes of an intent whose owner is gone: it is in doubt, and never sent again from here."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Event, Stage
from omnihuman_blocks.edges.ledger import facts, leases, reading
from omnihuman_blocks.edges.ledger.owner import Owner, is_provably_dead
from omnihuman_blocks.edges.ledger.records import Doubt, Orphan
from omnihuman_blocks.edges.ledger.schema import attempts, owners
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction

LEASE_OVER = "its lease ran out"
OWNER_DEAD = "its process is dead"
AT_ONCE = 10_000


class Takeover(Chapter):
    """Leases, orphans, and the way from one to the other."""

    _leases: leases.Leases

    def renew(self) -> int:
        """Prolongs every claim that this process still holds; returns how many these are.

        Call it now and then while purchases are under way. A claim that was taken over meanwhile
        is not prolonged, and one whose end could not be written is left to run out.
        """
        lease = self._leases.begin()
        length = timedelta(seconds=lease.seconds)
        intents, renewed = self._leases.held(), 0
        for start in range(0, len(intents), AT_ONCE):
            some = intents[start : start + AT_ONCE]
            kept = self._store.write(partial(_renew, some=some, length=length))
            self._leases.extend(kept, lease)
            renewed += len(kept)
        return renewed

    def orphans(self) -> list[Orphan]:
        """Intents whose lease ran out, or whose process is provably dead on this machine."""
        return self._store.read(_orphans)

    def take_over(self, orphan: Orphan) -> Doubt | None:
        """Makes an orphan a doubt of ours; None where it is no orphan any more. Sends nothing."""
        return self._store.write(lambda tx: _take_over(tx, orphan))


def _mine(tx: Transaction, some: list[int]) -> sa.ColumnElement[bool]:
    return sa.and_(
        attempts.c.owner == tx.owner.id,
        attempts.c.stage == Stage.INTENDED.value,
        attempts.c.intent.in_(some),
    )


def _renew(tx: Transaction, some: list[int], length: timedelta) -> list[int]:
    mine = sa.select(attempts.c.intent).where(_mine(tx, some))
    kept = list(tx.run(mine.with_for_update()).scalars())
    if kept:
        tx.run(sa.update(attempts).where(_mine(tx, kept)).values(lease_until=tx.now + length))
    return kept


def _orphans(tx: Transaction) -> list[Orphan]:
    """Few rows: only what is being sent at this moment, or was when somebody died."""
    intended = (
        sa.select(attempts, owners)
        .join(owners, owners.c.id == attempts.c.owner)
        .where(attempts.c.stage == Stage.INTENDED.value)
        .order_by(attempts.c.intended_at)
    )
    rows = tx.run(intended).all()
    return [orphan for row in rows if (orphan := _orphan(tx, row)) is not None]


def _orphan(tx: Transaction, row: sa.Row[Any]) -> Orphan | None:
    owner = _owner(row)
    if row.lease_until < tx.now:
        why = LEASE_OVER
    elif is_provably_dead(owner, tx.owner):
        why = OWNER_DEAD
    else:
        return None
    return Orphan(
        key=JobKey(row.job_key),
        attempt=row.attempt,
        intent=row.intent,
        owner=str(owner),
        why=why,
    )


def _owner(row: sa.Row[Any]) -> Owner:
    return Owner(
        id=row.id,
        host=row.host,
        pid=row.pid,
        started=row.started,
        boot_id=row.boot_id,
        namespaces=row.namespaces,
    )


def _take_over(tx: Transaction, orphan: Orphan) -> Doubt | None:
    row = facts.held_row(tx, orphan.key, orphan.attempt)
    if facts.is_written(tx, row):
        return reading.doubt_of(tx, row)
    if row.stage != Stage.INTENDED or row.intent != orphan.intent:
        return None
    owner = tx.run(sa.select(owners).where(owners.c.id == row.owner)).one()
    # The lease may have been renewed since it was found; a dead process stays dead.
    if row.lease_until >= tx.now and not is_provably_dead(_owner(owner), tx.owner):
        return None
    facts.happen(
        tx,
        row,
        Event.ORPHAN,
        detail={"why": orphan.why, "owner": orphan.owner},
        owner=None,
        lease_until=None,
    )
    return reading.doubt_of(tx, facts.held_row(tx, orphan.key, orphan.attempt))
