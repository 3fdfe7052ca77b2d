"""A key in, the life of its job out, in sentences that need no manual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.ledger.records import Happening
from omnihuman_blocks.edges.ledger.schema import events, jobs, owners
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction

Detail: TypeAlias = Mapping[str, Any]


def _set_aside(detail: Detail) -> str:
    reserved = detail.get("reserved_usd")
    money = "Its price is not known" if reserved is None else f"${reserved} was set aside"
    return f"The purchase was written down before anything was sent. {money}."


def _charge(detail: Detail) -> str:
    """What is known about money at this point, as a sentence of its own or nothing."""
    if "basis" not in detail:
        return ""
    if detail["charged_usd"] is None:
        return " What it cost is not known."
    return f" Cost: ${detail['charged_usd']} ({detail['basis']})."


def _said(detail: Detail) -> str:
    return f"{detail.get('error', 'Error')}: {detail.get('message', '')}".rstrip(".") + "."


SENTENCES: Mapping[str, Callable[[Detail], str]] = {
    "intend": _set_aside,
    "turn_away": lambda d: f"The vendor did not take it and nothing was bought. {_said(d)}",
    "refuse": lambda d: f"The vendor refused it; nothing was charged. {_said(d)}",
    "accept": lambda d: f"The vendor accepted it under ticket {d.get('ticket')}.",
    "lose": lambda d: f"The answer was lost, so it may have been bought. {_said(d)}",
    "orphan": lambda d: (
        f"{d.get('owner', 'Its process')} can no longer say how it ended "
        f"({d.get('why', 'nobody knows why')}), so it may have been bought."
    ),
    "adopt": lambda d: f"Ticket {d.get('ticket')} was found and adopted.",
    "callback": lambda d: f"The vendor called about ticket {d.get('ticket')}.",
    "cancel": lambda d: f"The vendor was asked to cancel it and said: {d.get('said')}.",
    "rule_out": lambda d: f"It was ruled out that it was bought: {d.get('why')}.",
    "finish": lambda d: f"The vendor has made the video.{_charge(d)}",
    "fail": lambda d: f"There is no video. {_said(d)}{_charge(d)}",
    "deliver": lambda d: f"The video was checked and is here: {d.get('file')}.{_charge(d)}",
    "spoil": lambda d: f"What was delivered is not what was bought. {_said(d)}{_charge(d)}",
    "look_again": lambda d: f"The vendor is asked for it again: {d.get('why')}.",
    "open": lambda d: f"A new attempt was opened by a {d.get('by')}.",
    "settle": lambda d: f"The charge was settled.{_charge(d)}",
    "late_word": lambda d: (
        "A word that came too late to count: "
        + (f"ruled out, {d['why']}." if "why" in d else _said(d))
    ),
    "stray_ticket": lambda d: (
        f"A purchase too many: the vendor also has ticket {d.get('ticket')}. Look there."
    ),
}


class History(Chapter):
    """One job's life, for programs and for people."""

    def happenings(self, key: JobKey) -> list[Happening]:
        """All that was ever written about a job, oldest first; `who` in words."""
        return self._store.read(lambda tx: _happenings(tx, key))

    def history(self, key: JobKey) -> str:
        """The same in plain words, a line for each event."""
        return self._store.read(lambda tx: _tell(tx, key))


def _happenings(tx: Transaction, key: JobKey) -> list[Happening]:
    rows = tx.run(sa.select(events).where(events.c.job_key == key).order_by(events.c.id)).all()
    people = _people(tx, {row.who for row in rows})
    return [
        Happening(
            at=row.at,
            attempt=row.attempt,
            who=people.get(row.who, row.who),
            event=row.event,
            stage=Stage(row.stage),
            detail=row.detail,
        )
        for row in rows
    ]


def _people(tx: Transaction, ids: set[str]) -> dict[str, str]:
    """Processes by name; whoever is not among them is a person or a part of the program."""
    rows = tx.run(sa.select(owners).where(owners.c.id.in_(ids)))
    return {row.id: f"process {row.pid} on {row.host}" for row in rows}


def _tell(tx: Transaction, key: JobKey) -> str:
    job = tx.run(sa.select(jobs).where(jobs.c.key == key)).one_or_none()
    if job is None:
        return f"The ledger knows nothing of job {key}."
    audio = "" if job.audio_seconds is None else f", {job.audio_seconds} s of audio"
    heading = f"Job {key}\n{job.model} at {job.provider}{audio}"
    return "\n".join([heading, *(_line(happening) for happening in _happenings(tx, key))])


def _line(happening: Happening) -> str:
    detail = happening.detail if isinstance(happening.detail, dict) else {}
    sentence = SENTENCES[happening.event](detail)
    if detail.get("rebuilt"):
        sentence += " (Taken from the catalogue.)"
    return (
        f"{happening.at:%Y-%m-%d %H:%M:%S} UTC  attempt {happening.attempt}  "
        f"{happening.stage:<8}  {sentence}  [{happening.who}]"
    )
