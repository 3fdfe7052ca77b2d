"""After the ticket: the vendor's last word, the clip, and what it cost in the end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from omnihuman_blocks.domain.job import Failed, JobKey, Ready
from omnihuman_blocks.domain.lifecycle import Event, Impossible, Stage
from omnihuman_blocks.domain.pricing import Charge, settle_failure
from omnihuman_blocks.domain.wire import Json, Record
from omnihuman_blocks.edges.ledger import facts, money
from omnihuman_blocks.edges.ledger.records import Alarm, Applied, Clip
from omnihuman_blocks.edges.ledger.schema import attempts, clips, durations, jobs
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction
from omnihuman_blocks.edges.ledger.values import (
    NO_ERROR,
    error_columns,
    error_record,
    outputs_json,
)
from omnihuman_blocks.errors import OmniHumanError

By = Literal["person", "program"]


class Aftermath(Chapter):
    """From a ticket to a clip or a failure, and from a failure to the next attempt."""

    def finish(
        self,
        key: JobKey,
        attempt: int,
        ready: Ready,
        *,
        charge: Charge | None = None,
        waited_seconds: float | None = None,
    ) -> Applied:
        """The vendor has made it. `waited_seconds`, seen without a gap, teaches when to ask."""
        return self._write(
            key, attempt, lambda tx, row: _finish(tx, row, ready, charge, waited_seconds)
        )

    def fail(
        self, key: JobKey, attempt: int, failed: Failed, *, charge: Charge | None = None
    ) -> Applied:
        """The vendor's last word is that there is no video.

        The reservation is kept unless the vendor says that nothing was charged.
        """
        cost = charge or settle_failure(charged=failed.charged)
        return self._write(key, attempt, lambda tx, row: _fail(tx, row, failed, cost))

    def deliver(
        self,
        key: JobKey,
        attempt: int,
        clip: Clip,
        *,
        checks: Json = None,
        charge: Charge | None = None,
    ) -> Applied:
        """The video is here and was checked; `checks` is what they saw."""
        return self._write(key, attempt, lambda tx, row: _deliver(tx, row, clip, checks, charge))

    def spoil(
        self,
        key: JobKey,
        attempt: int,
        error: OmniHumanError,
        *,
        evidence: Json = None,
        checks: Json = None,
        charge: Charge | None = None,
    ) -> Applied:
        """Paid, and what was delivered is not the video that was bought."""
        return self._write(
            key,
            attempt,
            lambda tx, row: _spoil(tx, row, error, evidence=evidence, checks=checks, charge=charge),
        )

    def look_again(self, key: JobKey, attempt: int, *, why: str, who: str | None = None) -> Applied:
        """The vendor is asked again for what was bought: an address expired, a file was lost."""
        return self._write(
            key,
            attempt,
            lambda tx, row: _applied(
                facts.happen(tx, row, Event.LOOK_AGAIN, detail={"why": why}, who=who)
            ),
        )

    def settle(
        self, key: JobKey, attempt: int, charge: Charge, *, who: str | None = None
    ) -> Applied:
        """What an attempt has cost, learnt after the fact. Moves no stage."""
        return self._write(key, attempt, lambda tx, row: _settle(tx, row, charge, who))

    def asked_to_cancel(self, key: JobKey, attempt: int, *, said: str, who: str) -> Applied:
        """The vendor was asked to cancel it. Moves no stage: only its last word does."""
        return self._write(key, attempt, lambda tx, row: _asked(tx, row, said, who))

    def open_attempt(
        self,
        key: JobKey,
        *,
        after: int,
        by: By,
        who: str | None = None,
        spoiled_too: bool = False,
    ) -> int:
        """The number of the attempt that follows a failed one. Two askers get the same number.

        A spoiled one was paid, so it is followed only where `spoiled_too` says so. Anything else
        is `Impossible`: it may still become a video.
        """
        return self._store.write(lambda tx: _open(tx, key, after, by, who, spoiled_too=spoiled_too))

    def _write(
        self, key: JobKey, attempt: int, fact: Callable[[Transaction, sa.Row[Any]], Applied]
    ) -> Applied:
        def work(tx: Transaction) -> Applied:
            row = facts.held_row(tx, key, attempt)
            return _known(row) if facts.is_written(tx, row) else fact(tx, row)

        return self._store.write(work)


def _known(row: sa.Row[Any]) -> Applied:
    """What this very call has already written, though it could not hear so."""
    above = money.is_above_reservation(row.charge_micro, row.reserved_micro)
    return Applied(stage=Stage(row.stage), alarm=Alarm.ABOVE_RESERVATION if above else None)


def _applied(stage: Stage, settled: money.Settlement | None = None) -> Applied:
    above = settled is not None and settled.is_above
    return Applied(stage=stage, alarm=Alarm.ABOVE_RESERVATION if above else None)


def _finish(
    tx: Transaction,
    row: sa.Row[Any],
    ready: Ready,
    charge: Charge | None,
    waited_seconds: float | None,
) -> Applied:
    settled = money.settle(tx, row, charge)
    stage = facts.happen(
        tx,
        row,
        Event.FINISH,
        detail=_money(charge, outputs=len(ready.outputs)),
        **settled.changes,
        **NO_ERROR,
        outputs=outputs_json(ready.outputs),
        generated_seconds=ready.generated_seconds or row.generated_seconds,
        finished_at=row.finished_at or tx.now,
    )
    if row.finished_at is None:
        _learn(tx, row.job_key, waited_seconds, ready.generated_seconds)
    return _applied(stage, settled)


def _learn(tx: Transaction, key: str, waited: float | None, generated: Decimal | None) -> None:
    """One more experience of how long such a job takes; nothing where nobody measured it."""
    took = waited if waited is not None else generated
    if took is None:
        return
    job = tx.run(sa.select(jobs).where(jobs.c.key == key)).one()
    if job.audio_seconds is not None:
        tx.run(
            sa.insert(durations).values(
                provider=job.provider,
                model=job.model,
                audio_seconds=float(job.audio_seconds),
                generation_seconds=float(took),
                at=tx.now,
            )
        )


def _fail(tx: Transaction, row: sa.Row[Any], failed: Failed, charge: Charge) -> Applied:
    settled = money.settle(tx, row, charge)
    stage = facts.happen(
        tx,
        row,
        Event.FAIL,
        detail=_money(charge, **error_record(failed.error)),
        **settled.changes,
        **error_columns(failed.error),
        retryable=failed.retryable,
        charged=failed.charged,
        finished_at=tx.now,
    )
    return _applied(stage, settled)


def _deliver(
    tx: Transaction, row: sa.Row[Any], clip: Clip, checks: Json, charge: Charge | None
) -> Applied:
    settled = money.settle(tx, row, charge)
    stage = facts.happen(
        tx,
        row,
        Event.DELIVER,
        detail=_money(charge, file=clip.file, sha256=clip.sha256),
        **settled.changes,
        **NO_ERROR,
        checks=checks,
        done_at=tx.now,
    )
    tx.upsert(clips, clip_columns(row.job_key, row.attempt, clip))
    return _applied(stage, settled)


def clip_columns(key: str, attempt: int, clip: Clip) -> dict[str, Any]:
    """A clip as the ledger keeps it."""
    return {
        "job_key": key,
        "attempt": attempt,
        "file": clip.file,
        "sha256": clip.sha256,
        "bytes": clip.size,
        "width": clip.width,
        "height": clip.height,
        "seconds": clip.seconds,
        "likeness": clip.likeness,
        "verdict": clip.verdict,
    }


def _spoil(
    tx: Transaction,
    row: sa.Row[Any],
    error: OmniHumanError,
    *,
    evidence: Json,
    checks: Json,
    charge: Charge | None,
) -> Applied:
    settled = money.settle(tx, row, charge)
    stage = facts.happen(
        tx,
        row,
        Event.SPOIL,
        detail=_money(charge, evidence=evidence, **error_record(error)),
        **settled.changes,
        **error_columns(error),
        checks=checks,
        done_at=tx.now,
    )
    return _applied(stage, settled)


def _settle(tx: Transaction, row: sa.Row[Any], charge: Charge, who: str | None) -> Applied:
    settled = money.settle(tx, row, charge)
    facts.change(tx, row, **settled.changes)
    facts.note(tx, row, "settle", row.stage, detail=_money(charge), who=who)
    return _applied(Stage(row.stage), settled)


def _asked(tx: Transaction, row: sa.Row[Any], said: str, who: str) -> Applied:
    facts.note(tx, row, "cancel", row.stage, detail={"said": said}, who=who)
    return Applied(stage=Stage(row.stage))


def _money(charge: Charge | None, **detail: Json) -> Record:
    """What an event tells, with the charge where there is one."""
    if charge is not None:
        detail |= {"charged_usd": money.shown(charge.usd), "basis": charge.basis.value}
    return detail


def _open(
    tx: Transaction, key: str, after: int, by: By, who: str | None, *, spoiled_too: bool
) -> int:
    row = facts.latest_row(tx, key)
    if row is None or row.attempt < after:
        raise Impossible(f"The ledger has no attempt {after} at job {key}")
    if row.attempt > after:
        return int(row.attempt)
    followed = {Stage.FAILED, Stage.SPOILED} if spoiled_too else {Stage.FAILED}
    if row.stage not in followed:
        raise Impossible(
            f"Attempt {after} at job {key} is `{row.stage}`: it is not followed by another one"
        )
    new = {"job_key": key, "attempt": after + 1, "stage": Stage.OPEN.value, "opened_by": by}
    if tx.insert_missing(attempts, new):  # somebody else may just have opened it
        opened = facts.held_row(tx, key, after + 1)
        facts.note(tx, opened, "open", Stage.OPEN, detail={"by": by}, who=who)
    return after + 1
