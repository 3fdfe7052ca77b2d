"""Keys in, where their jobs stand out: three queries for each ten thousand of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.edges.ledger.money import to_usd
from omnihuman_blocks.edges.ledger.records import (
    LONG_AGO,
    Clip,
    Doubt,
    ErrorNote,
    JobState,
    Totals,
)
from omnihuman_blocks.edges.ledger.schema import (
    attempts,
    clips,
    events,
    intents,
    jobs,
    owners,
    parsed,
)
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction
from omnihuman_blocks.edges.ledger.values import outputs_of, ticket_of

KEYS_AT_ONCE = 10_000
CLOCKS_DIFFER = timedelta(seconds=30)
MAY_HAVE_COST = (Stage.READY, Stage.DONE, Stage.SPOILED, Stage.FAILED)


class Reading(Chapter):
    """What the ledger knows. Nothing here writes."""

    def states(self, keys: Iterable[JobKey]) -> dict[JobKey, JobState]:
        """Where these jobs stand; a key that was never enrolled is not in the answer."""
        remaining, found = iter(keys), {}
        while some := list(islice(remaining, KEYS_AT_ONCE)):
            found.update(self._store.read(partial(_states, keys=some)))
        return found

    def state(self, key: JobKey) -> JobState | None:
        """Where one job stands; None where it was never enrolled."""
        return self.states([key]).get(key)

    def waiting(self) -> list[JobState]:
        """Jobs that the vendor has, or has made and that are not here yet."""
        return self._store.read(lambda tx: _in_stages(tx, (Stage.ACCEPTED, Stage.READY)))

    def failed(self) -> list[JobState]:
        """Jobs whose latest attempt failed or was spoiled."""
        return self._store.read(lambda tx: _in_stages(tx, (Stage.FAILED, Stage.SPOILED)))

    def in_doubt(self, keys: Iterable[JobKey] | None = None) -> list[Doubt]:
        """Every doubt, oldest first, or those of some jobs."""
        wanted = None if keys is None else list(keys)
        return self._store.read(lambda tx: _doubts(tx, wanted))

    def by_token(self, token: str) -> tuple[JobKey, int] | None:
        """The attempt that a callback speaks of; None where the token is none of ours."""
        named = sa.select(intents.c.job_key, intents.c.attempt).where(
            intents.c.callback_token == token
        )
        found = self._store.read(lambda tx: tx.run(named.distinct()).all())
        return (JobKey(found[0].job_key), found[0].attempt) if len(found) == 1 else None

    def by_ticket(self, ticket_id: str) -> list[tuple[JobKey, int]]:
        """The attempts that hold a ticket: at most one for each vendor."""
        holding = sa.select(attempts.c.job_key, attempts.c.attempt).where(
            attempts.c.ticket_id == ticket_id
        )
        rows = self._store.read(lambda tx: tx.run(holding).all())
        return [(JobKey(row.job_key), row.attempt) for row in rows]

    def keys_beginning(self, beginning: str) -> list[JobKey]:
        """The keys that begin so: people name a job by a few of its digits."""
        named = sa.select(jobs.c.key).where(jobs.c.key.startswith(beginning, autoescape=True))
        rows = self._store.read(lambda tx: tx.run(named.order_by(jobs.c.key)).scalars().all())
        return [JobKey(key) for key in rows]

    def totals(self) -> Totals:
        """The whole ledger in a few numbers."""
        return self._store.read(_totals)


def state_of(tx: Transaction, key: JobKey) -> JobState:
    """Where an enrolled job stands, inside a transaction."""
    return _states(tx, [key])[key]


def doubt_of(tx: Transaction, row: sa.Row[Any]) -> Doubt:
    """The doubt that an attempt is in."""
    found = tx.run(_doubtful().where(attempts.c.intent == row.intent)).one()
    return _doubt(found, _trusted_now(tx))


def owner_words(tx: Transaction, owner_id: str) -> str:
    """An owner for people."""
    row = tx.run(sa.select(owners).where(owners.c.id == owner_id)).one_or_none()
    if row is None:
        return f"process {owner_id}"
    mine = " (this process)" if row.id == tx.owner.id else ""
    return f"process {row.pid} on {row.host}{mine}"


def among(tx: Transaction, column: sa.ColumnElement[str], keys: Sequence[str]) -> Any:
    """Whether a column is one of many keys, as one value that is sent once."""
    many: sa.BindParameter[Any] = sa.bindparam(None, _as_one_value(keys, on_server=tx.on_server))
    return _is_one_of(column, many, on_server=tx.on_server)


def _as_one_value(keys: Sequence[str], *, on_server: bool) -> list[str] | str:
    return list(keys) if on_server else json.dumps(list(keys))


def _is_one_of(
    column: sa.ColumnElement[str], many: sa.BindParameter[Any], *, on_server: bool
) -> sa.ColumnElement[bool]:
    if on_server:
        return column == sa.any_(sa.type_coerce(many, ARRAY(sa.Text)))
    listed = sa.func.json_each(sa.type_coerce(many, sa.Text)).table_valued("value")
    return column.in_(sa.select(listed.c.value))


@cache
def _questions(*, on_server: bool) -> tuple[sa.Select[Any], sa.Select[Any], sa.Select[Any]]:
    """The jobs, attempts and clips of `keys`: putting these together costs more than asking."""

    def where(column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        return _is_one_of(column, sa.bindparam("keys"), on_server=on_server)

    return (
        sa.select(jobs).where(where(jobs.c.key)),
        sa.select(attempts)
        .where(where(attempts.c.job_key))
        .order_by(attempts.c.job_key, attempts.c.attempt),
        sa.select(clips).where(where(clips.c.job_key)),
    )


def _states(tx: Transaction, keys: Sequence[JobKey]) -> dict[JobKey, JobState]:
    named = {"keys": _as_one_value(keys, on_server=tx.on_server)}
    about, tried, kept = (
        tx.run(question, named).all() for question in _questions(on_server=tx.on_server)
    )
    of_job = {row.key: row for row in about}
    clip_of = {row.job_key: row for row in kept}
    return {
        JobKey(key): _state(of_job[key], list(rows), clip_of.get(key))
        for key, rows in groupby(tried, key=lambda row: row.job_key)
    }


def _state(job: sa.Row[Any], tried: list[sa.Row[Any]], clip: sa.Row[Any] | None) -> JobState:
    last = tried[-1]
    return JobState(
        key=JobKey(job.key),
        provider=job.provider,
        model=job.model,
        audio_seconds=job.audio_seconds,
        attempt=last.attempt,
        stage=Stage(last.stage),
        opened_by=last.opened_by,
        ticket=ticket_of(last.ticket),
        further_tickets=tuple(_strays(tried)),
        outputs=outputs_of(last.outputs),
        generated_seconds=last.generated_seconds,
        error=_error(last),
        retryable=last.retryable,
        charged=last.charged,
        charge=_charge(last),
        charged_usd=to_usd(sum(row.charge_micro or 0 for row in tried)),
        unknown_charges=sum(_is_unknown(row) for row in tried),
        reserved_usd=to_usd(sum(row.reserved_micro for row in tried if row.held)),
        upper_bound=None if last.reserved_micro is None else to_usd(last.reserved_micro),
        checks=last.checks,
        clip=None if clip is None else _clip(clip),
        owner=last.owner,
        intended_at=last.intended_at,
        submitted_at=last.submitted_at,
        finished_at=last.finished_at,
        done_at=last.done_at,
    )


def _strays(tried: list[sa.Row[Any]]) -> Iterator[str]:
    for row in tried:
        yield from (ticket["id"] for ticket in row.further_tickets or ())


def _is_unknown(row: sa.Row[Any]) -> bool:
    """It has come to an end that may have cost something, and nobody has said what."""
    return row.charge_micro is None and row.stage in MAY_HAVE_COST


def _charge(row: sa.Row[Any]) -> Charge | None:
    if row.cost_basis is None:
        return None
    usd = None if row.charge_micro is None else to_usd(row.charge_micro)
    return Charge(usd=usd, basis=CostBasis(row.cost_basis))


def _error(row: sa.Row[Any]) -> ErrorNote | None:
    if row.error_class is None:
        return None
    return ErrorNote(name=row.error_class, message=row.error_message, code=row.vendor_code)


def _clip(row: sa.Row[Any]) -> Clip:
    return Clip(
        file=row.file,
        sha256=row.sha256,
        size=row.bytes,
        width=row.width,
        height=row.height,
        seconds=row.seconds,
        likeness=row.likeness,
        verdict=row.verdict,
    )


def _is_latest() -> sa.ColumnElement[bool]:
    later = attempts.alias("later")
    return ~(
        sa.exists()
        .where(later.c.job_key == attempts.c.job_key, later.c.attempt > attempts.c.attempt)
        .correlate(attempts)
    )


def _in_stages(tx: Transaction, stages: Sequence[Stage]) -> list[JobState]:
    wanted = sa.select(attempts.c.job_key).where(
        attempts.c.stage.in_([stage.value for stage in stages]), _is_latest()
    )
    keys = list(tx.run(wanted.order_by(attempts.c.submitted_at)).scalars())
    found: dict[JobKey, JobState] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        found.update(_states(tx, keys[start : start + KEYS_AT_ONCE]))
    return [found[key] for key in keys]


def _doubtful() -> sa.Select[Any]:
    return sa.select(
        attempts.c.job_key,
        attempts.c.attempt,
        attempts.c.error_message,
        attempts.c.reserved_micro,
        jobs.c.provider,
        jobs.c.model,
        intents,
    ).select_from(
        attempts.join(jobs, jobs.c.key == attempts.c.job_key).join(
            intents, intents.c.id == attempts.c.intent
        )
    )


def _doubts(tx: Transaction, keys: Sequence[JobKey] | None) -> list[Doubt]:
    doubtful = _doubtful().where(attempts.c.stage == Stage.IN_DOUBT.value)
    if keys is not None:
        doubtful = doubtful.where(among(tx, attempts.c.job_key, keys))
    now = _trusted_now(tx)
    return [_doubt(row, now) for row in tx.run(doubtful.order_by(intents.c.at))]


def _trusted_now(tx: Transaction) -> datetime | None:
    """The ledger's clock; None where it has been set back: its own last event lies ahead."""
    last = tx.run(sa.select(events.c.at).order_by(events.c.id.desc()).limit(1)).scalar_one_or_none()
    return tx.now if last is None or last - tx.now < CLOCKS_DIFFER else None


def _doubt(row: sa.Row[Any], now: datetime | None) -> Doubt:
    return Doubt(
        key=JobKey(row.job_key),
        attempt=row.attempt,
        provider=row.provider,
        model=row.model,
        intent=row.id,
        callback_token=row.callback_token,
        intended_at=row.at,
        upper_bound=None if row.reserved_micro is None else to_usd(row.reserved_micro),
        age=LONG_AGO if now is None else max(now - row.at, timedelta(0)),
        image=row.addresses.get("image", ""),
        audio=row.addresses.get("audio", ""),
        mask=row.addresses.get("mask"),
        callback=row.addresses.get("callback"),
        body=None if row.body is None else parsed(row.body),
        said=row.error_message,
    )


def _totals(tx: Transaction) -> Totals:
    by_stage = tx.run(
        sa.select(attempts.c.stage, sa.func.count()).where(_is_latest()).group_by(attempts.c.stage)
    )
    counted = {Stage(stage): count for stage, count in by_stage}
    unknown = sa.and_(
        attempts.c.charge_micro.is_(None),
        attempts.c.stage.in_([stage.value for stage in MAY_HAVE_COST]),
    )
    above = attempts.c.charge_micro > attempts.c.reserved_micro
    row = tx.run(
        sa.select(
            sa.func.count().label("attempts"),
            _sum(attempts.c.charge_micro).label("charged"),
            _sum(sa.case((attempts.c.held, attempts.c.reserved_micro), else_=0)).label("held"),
            _sum(sa.case((unknown, 1), else_=0)).label("unknown"),
            _sum(sa.case((above, 1), else_=0)).label("above"),
        ).select_from(attempts)
    ).one()
    return Totals(
        jobs={stage: counted.get(stage, 0) for stage in Stage},
        attempts=row.attempts,
        intents=tx.run(sa.select(sa.func.count()).select_from(intents)).scalar_one(),
        charged_usd=to_usd(int(row.charged)),
        reserved_usd=to_usd(int(row.held)),
        unknown_charges=int(row.unknown),
        above_reservation=int(row.above),
    )


def _sum(value: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(value), 0)
