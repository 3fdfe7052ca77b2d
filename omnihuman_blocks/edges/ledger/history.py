"""A key in, the life of its job out, in sentences that need no manual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import CostBasis
from omnihuman_blocks.edges.ledger import money, reading
from omnihuman_blocks.edges.ledger.records import Happening
from omnihuman_blocks.edges.ledger.schema import events, jobs, owners
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction

Detail: TypeAlias = Mapping[str, Any]


def _set_aside(detail: Detail) -> str:
    reserved = detail.get("reserved_usd")
    amount = "Its price is not known" if reserved is None else f"${reserved} was set aside"
    return f"The purchase was written down before anything was sent. {amount}."


BASES = {
    CostBasis.REPORTED.value: "as the vendor reports it",
    CostBasis.CREDITS.value: "by the vendor's credits",
    CostBasis.DURATION.value: "by its length and the price",
}
NOW = {
    Stage.OPEN: "not bought",
    Stage.INTENDED: "being bought at this moment",
    Stage.IN_DOUBT: "in doubt: it may have been bought, and is not bought again",
    Stage.ACCEPTED: "bought; the vendor is making it",
    Stage.READY: "made by the vendor, not here yet",
    Stage.DONE: "done: the video is here and was checked",
    Stage.SPOILED: "failed: paid, and what was delivered is not the video",
    Stage.FAILED: "failed: there is no video",
}


def _charge(detail: Detail) -> str:
    """What is known about money at this point, as a sentence of its own or nothing."""
    basis = detail.get("basis")
    if basis is None:
        return ""
    if basis == CostBasis.NOT_CHARGED.value:
        return " Nothing was charged."
    if detail["charged_usd"] is None:
        return " What it cost is not known."
    return f" It cost ${detail['charged_usd']}, {BASES.get(basis, basis)}."


def _said(detail: Detail) -> str:
    """The error's own words, and its class for whoever looks for it in the catalogue."""
    words = str(detail.get("message") or "").rstrip(".")
    name = detail.get("error", "Error")
    return f"{words} ({name})." if words else f"{name}."


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
        """The same in plain words: where it stands, then a line for each event."""
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
    audio = "" if job.audio_seconds is None else f", {job.audio_seconds.normalize():f} s of audio"
    lines = [f"Job {key}", f"{job.model} at {job.provider}{audio}", f"Now {_now(tx, key)}"]
    attempt, who = 0, ""
    for happening in _happenings(tx, key):
        if happening.attempt != attempt:
            attempt, who = happening.attempt, ""
            lines += ["", f"Attempt {attempt}"]
        by = "" if happening.who == who else f"  [{happening.who}]"
        lines.append(f"  {happening.at:%Y-%m-%d %H:%M:%S} UTC  {_sentence(happening)}{by}")
        who = happening.who
    return "\n".join(lines)


def _now(tx: Transaction, key: JobKey) -> str:
    """Where it stands, and the money of all its attempts."""
    state = reading.state_of(tx, key)
    words = [NOW[state.stage]]
    if state.charged_usd:
        words.append(f"${money.shown(state.charged_usd)} charged in all")
    if state.reserved_usd:
        words.append(f"${money.shown(state.reserved_usd)} set aside for it")
    if state.unknown_charges:
        words.append("what it cost is not known")
    return "; ".join(words)


def _sentence(happening: Happening) -> str:
    detail = happening.detail if isinstance(happening.detail, dict) else {}
    rebuilt = " (Taken from the catalogue.)" if detail.get("rebuilt") else ""
    return SENTENCES[happening.event](detail) + rebuilt
