"""What goes into the ledger and what comes out, as plain values."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from omnihuman_blocks.domain.job import JobKey, Output, Submission, Ticket
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import Charge
from omnihuman_blocks.domain.wire import Json

LONG_AGO = timedelta(days=3650)
"""Nobody knows how old it is, so nothing may be done that only something fresh allows."""


def new_token() -> str:
    """A word that only we and the vendor know, by which a callback names its intent."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A purchase that somebody would like to make now."""

    submission: Submission
    upper_bound: Decimal | None
    """What it may cost at most, and what is set aside; None where the price is not known."""
    invocation: str | None = None
    """Whose budget it counts against."""
    body: Json = None
    """The request as it will be sent, without any key of an account."""
    callback_token: str = field(default_factory=new_token, repr=False)


@dataclass(frozen=True, kw_only=True)
class Intended:
    """The claim: this caller, and nobody else, may send this purchase now, once."""

    key: JobKey
    attempt: int
    intent: int
    """Which of the attempt's intents this is. What its owner says counts for no other one."""
    callback_token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class HeldByOther:
    """Somebody else is buying it at this moment; this process, where another caller of it is."""

    key: JobKey
    attempt: int
    owner: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Already:
    """There is nothing to buy: it has been bought, is in doubt, or has ended."""

    state: JobState


Claim: TypeAlias = Intended | HeldByOther | Already


class Alarm(StrEnum):
    """A fact that was recorded and must not pass unseen. The caller closes the vendor's gate."""

    ABOVE_RESERVATION = "above_reservation"
    """The vendor charged more than the upper bound: our prices are wrong."""
    STRAY_TICKET = "stray_ticket"
    """A purchase that no attempt stands for: a second one, or one thought to have failed."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A fact is written, and `stage` is where the attempt stands now.

    Not `moved`: it was known already, or the claim had been taken over and the word came too late.
    """

    stage: Stage
    moved: bool = True
    alarm: Alarm | None = None


class Heard(StrEnum):
    """What a callback was good for."""

    ADOPTED = "adopted"
    """It brought a ticket that nobody here had."""
    NEWS = "news"
    """The ticket was known; whoever waits for the job may ask now."""
    REPEATED = "repeated"
    """Nothing: all of it was known."""
    STRAY = "stray"
    """It names a purchase that no attempt stands for."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """An intent whose end nobody knows: enough to look for it, or to show it to a person."""

    key: JobKey
    attempt: int
    provider: str
    model: str
    intent: int
    callback_token: str = field(repr=False)
    intended_at: datetime
    age: timedelta
    """Since its intent, by the ledger's own clock; `LONG_AGO` where that clock was set back."""
    upper_bound: Decimal | None
    """What it may have cost at most, and what is set aside for it; None: no price was known."""
    image: str
    audio: str
    mask: str | None
    callback: str | None = field(repr=False)
    """Our address that the vendor was told to call."""
    body: Json
    """As it was written, numbers with a fraction as `Decimal`."""
    said: str | None
    """The error that led here; None where the owner died without a word."""


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """An intent whose owner can no longer be expected to end it."""

    key: JobKey
    attempt: int
    intent: int
    owner: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A checked video in its place."""

    file: str
    sha256: str
    size: int
    width: int | None = None
    height: int | None = None
    seconds: Decimal | None = None
    likeness: float | None = None
    verdict: str = "good"


@dataclass(frozen=True, kw_only=True)
class ErrorNote:
    """An error as it is remembered: the name of its class, its words, the vendor's code."""

    name: str
    message: str
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobState:
    """Where a job stands: its latest attempt, and the money of all of them."""

    key: JobKey
    provider: str
    model: str
    audio_seconds: Decimal | None
    attempt: int
    stage: Stage
    opened_by: str
    ticket: Ticket | None
    further_tickets: tuple[str, ...]
    outputs: tuple[Output, ...]
    generated_seconds: Decimal | None
    error: ErrorNote | None
    retryable: bool | None
    charged: bool | None
    """What the vendor said about charging for a failure; None: nothing."""
    charge: Charge | None
    """Of this attempt; None until it is settled."""
    charged_usd: Decimal
    """Of all attempts together, as far as it is known."""
    unknown_charges: int
    """Attempts that may have cost something that nobody knows."""
    reserved_usd: Decimal
    """What is still set aside for it."""
    upper_bound: Decimal | None
    checks: Json
    """What decoding this attempt's file has shown; None where none was decoded."""
    clip: Clip | None
    """The last one that was delivered. It is in its place where the stage is `done`."""
    owner: str | None
    intended_at: datetime | None
    submitted_at: datetime | None
    finished_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The whole ledger in a few numbers."""

    jobs: dict[Stage, int]
    """By the stage of the latest attempt; every stage is there."""
    attempts: int
    intents: int
    charged_usd: Decimal
    reserved_usd: Decimal
    unknown_charges: int
    above_reservation: int


@dataclass(frozen=True, kw_only=True)
class Counter:
    """What was spent and set aside in one scope, under its cap."""

    scope: str
    rule: str
    spent_usd: Decimal
    reserved_usd: Decimal
    cap_usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One line of a job's life."""

    at: datetime
    attempt: int
    who: str
    event: str
    stage: Stage
    detail: Json
