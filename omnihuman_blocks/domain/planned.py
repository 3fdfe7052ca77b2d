"""What a plan is made of: rows in the order of the tables, each with its parts or rejections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from omnihuman_blocks.domain.identity import clip_key
from omnihuman_blocks.domain.job import Job, JobKey
from omnihuman_blocks.domain.pricing import Price, quote, upper_bound
from omnihuman_blocks.domain.row import Rejection, Row


class Verdict(StrEnum):
    """What this invocation has to do about a row, in the order in which parts are judged."""

    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    NEW = "new"
    WAITING = "waiting"
    DONE = "done"


_ORDER = tuple(Verdict)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One job of a row, and which stretch of the row's audio it speaks."""

    job: Job
    start_seconds: Decimal
    seconds: Decimal
    price: Price | None
    verdict: Verdict = Verdict.NEW
    is_first: bool = True
    """No row before this one asks for the same job: its quote and its charge stand here."""
    before: tuple[tuple[JobKey, str], ...] = ()
    """The jobs of the same words said otherwise, and what is said otherwise now."""

    @property
    def quote(self) -> Decimal | None:
        """What it should cost, once bought."""
        return quote(self.price, self.seconds)

    @property
    def bound(self) -> Decimal | None:
        """What is reserved for it."""
        return upper_bound(self.price, self.seconds)


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """One line of the plan: parts where it can be made, rejections where it cannot."""

    place: int
    row_id: str
    script_id: str | None
    locale: str | None
    avatar_id: str | None
    variant: int | None
    row: Row | None = None
    provider: str | None = None
    model: str | None = None
    parts: tuple[Part, ...] = ()
    ignored: tuple[str, ...] = ()
    """Wishes that the model cannot honour."""
    notes: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What needs a person comes first, then what costs money."""
        if self.rejections:
            return Verdict.REJECTED
        return min((part.verdict for part in self.parts), key=_ORDER.index)

    @property
    def clip_key(self) -> str | None:
        """The name of the row's video."""
        return clip_key([part.job.key for part in self.parts]) if self.parts else None

    @property
    def seconds(self) -> Decimal:
        """How long its audio is."""
        return sum((part.seconds for part in self.parts), Decimal(0))

    @property
    def is_reused(self) -> bool:
        """Rows before it carry the price of all that it is made of."""
        return bool(self.parts) and not any(part.is_first for part in self.parts)

    @property
    def quote(self) -> Decimal | None:
        """What its own parts should cost; None where that is not known, or it has none."""
        return total(part.quote for part in self.parts if part.is_first) if self.parts else None

    @property
    def bound(self) -> Decimal | None:
        """What is reserved for its own parts."""
        return total(part.bound for part in self.parts if part.is_first) if self.parts else None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All rows in the order of the tables, but those that are done and were not looked at."""

    rows: tuple[PlannedRow, ...]
    kept: int = 0
    """How many rows were recognised as done and unchanged."""

    @property
    def jobs(self) -> dict[JobKey, Job]:
        """Every job once, in the order in which rows first ask for it."""
        return {part.job.key: part.job for part in self.first_parts()}

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """All of them, in the order of the rows."""
        return tuple(rejection for row in self.rows for rejection in row.rejections)

    def first_parts(self) -> Iterator[Part]:
        """The parts that carry a price; each job is in exactly one of them."""
        return (part for row in self.rows for part in row.parts if part.is_first)

    def to_buy(self) -> tuple[Part, ...]:
        """What would be bought now."""
        return tuple(part for part in self.first_parts() if part.verdict is Verdict.NEW)


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum, or None where one of them is not known."""
    known = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        known += amount
    return known
