"""What became of a job, as the ledger tells it -> the state of a row, and what it has cost.

The ledger knows stages; people are shown states. The way from one to the other stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from omnihuman_blocks.domain.checks import Figures
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.errors import BadDelivery


class RowState(StrEnum):
    """Where a row stands, in the order in which a row of several parts is judged."""

    IN_DOUBT = "in_doubt"
    """It may have been bought; a person or the vendor has to say."""
    FAILED = "failed"
    """There is no video, or not the one that was bought."""
    REJECTED = "rejected"
    """It cannot become a job; nothing was or will be bought until its table is mended."""
    BLOCKED = "blocked"
    """A budget or the account stands in the way; nothing was bought."""
    PENDING = "pending"
    """It is on its way at the vendor, or not here yet."""
    PLANNED = "planned"
    """It would be bought now. The catalogue, which shows no intentions, calls it pending."""
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A delivered and checked video, where it lies and what it is."""

    uri: str
    sha256: str
    size: int
    width: int | None = None
    height: int | None = None
    seconds: Decimal | None = None


Joined: TypeAlias = Clip | BadDelivery
"""The video of a row of several parts, or why there is none though all of them are here."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was made of a finished video, so that it can be shown: addresses in the folder."""

    poster_uri: str | None = None
    captions_srt_uri: str | None = None
    captions_vtt_uri: str | None = None
    captioned_uri: str | None = None
    """The video with its captions as a track of its own, where somebody asked for it."""


UNPUBLISHED = Published()


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """What the ledger knows about one job: its last attempt, and the money of all of them."""

    stage: Stage
    is_owned: bool = False
    """Somebody alive is at it, so an intent without a ticket is no riddle yet."""
    is_blocked: bool = False
    """It was held back by a cap or by the account, and not bought."""
    attempt: int = 0
    ticket: str | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    queue_seconds: Decimal | None = None
    generate_seconds: Decimal | None = None
    charge: Charge | None = None
    """All attempts together; None where nothing was sent."""
    error_class: str | None = None
    error_message: str | None = None
    clip: Clip | None = None
    checks: Figures | None = None
    seed: int | None = None
    flow_run_id: str | None = None

    @property
    def state(self) -> RowState:
        """The state of a row whose only job this is."""
        if self.stage is Stage.OPEN and self.is_blocked:
            return RowState.BLOCKED
        if self.stage is Stage.INTENDED and self.is_owned:
            return RowState.PENDING
        return STATES[self.stage]


UNTOUCHED = JobOutcome(stage=Stage.OPEN)
"""A job that the ledger has never heard of."""

STATES = {
    Stage.OPEN: RowState.PLANNED,
    Stage.INTENDED: RowState.IN_DOUBT,
    Stage.IN_DOUBT: RowState.IN_DOUBT,
    Stage.ACCEPTED: RowState.PENDING,
    Stage.READY: RowState.PENDING,
    Stage.DONE: RowState.DONE,
    Stage.SPOILED: RowState.FAILED,
    Stage.FAILED: RowState.FAILED,
}

_ORDER = tuple(RowState)
_LEAST_CERTAIN = (
    CostBasis.UNKNOWN,
    CostBasis.DURATION,
    CostBasis.CREDITS,
    CostBasis.REPORTED,
    CostBasis.NOT_CHARGED,
)


def state_of(states: Iterable[RowState]) -> RowState:
    """The state of a row from the states of its parts: what most needs a person comes first."""
    return min(states, key=_ORDER.index)


def together(charges: Iterable[Charge | None]) -> Charge | None:
    """Several charges as one, known as well as the least certain of them; None where none was."""
    made = [charge for charge in charges if charge is not None]
    if not made:
        return None
    basis = min((charge.basis for charge in made), key=_LEAST_CERTAIN.index)
    known = [charge.usd for charge in made if charge.usd is not None]
    return Charge(usd=sum(known, Decimal(0)) if len(known) == len(made) else None, basis=basis)
