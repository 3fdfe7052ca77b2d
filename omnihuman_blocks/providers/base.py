"""What every room offers. A room is a module of pure functions; mypy holds it against `Provider`.

A room translates between our nouns and one vendor's wire. It never sleeps, loops until done,
retries, downloads, logs, catches what it does not understand, reads the environment, invents a
value for a missing field, or changes what it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from omnihuman_blocks.domain.job import (
    Cancelled,
    Failed,
    JobKey,
    MediaKind,
    Progress,
    Staged,
    Submission,
    Ticket,
    Upload,
)
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.domain.wire import Flow, HttpCall, HttpReply, Record
from omnihuman_blocks.errors import OmniHumanError, Refused, Transient


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model as one vendor sells it."""

    version: str
    """What people call it: `1` or `1.5`."""
    id: str
    """What the vendor calls it."""
    options: type[Options]
    limits: Callable[[Options], Limits]
    price: Price | None
    takes_mask: bool = False


@dataclass(frozen=True, kw_only=True)
class Together:
    """For a vendor that takes many jobs in one request. One error never hides another's answer.

    An answer about a purchase that cannot be read is among them as `InDoubt`.
    """

    most: int
    """How many in one request. Ours, where the vendor states no limit."""
    submission_call: Callable[[Sequence[Submission]], HttpCall]
    read_submissions: Callable[[HttpReply, Sequence[Submission]], list[Ticket | OmniHumanError]]
    checking: Callable[[Sequence[Ticket]], Flow[list[Progress | OmniHumanError]]]


@dataclass(frozen=True, kw_only=True)
class LostAnswer:
    """What can be done when the answer to a purchase was lost."""

    remedy: str
    """For people: what the program does, or what to look for at the vendor."""
    look_for: timedelta = timedelta(0)
    """How long after the intent it is worth asking the vendor again."""


class Seal(StrEnum):
    """What a vendor's signature under a callback is worth."""

    GENUINE = "genuine"
    FORGED = "forged"
    STALE = "stale"
    """It was genuine once: somebody sends again what they have heard."""


@dataclass(frozen=True, kw_only=True)
class Signing:
    """For a vendor that signs its callbacks."""

    publishing: Callable[[], Flow[tuple[bytes, ...]]]
    """The public keys, as the vendor publishes them."""
    judge: Callable[[Mapping[str, str], bytes, Sequence[bytes], datetime], Seal]
    """Headers (names in lower case), body as it came, public keys and the time now."""


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """For a vendor that calls when a job has ended.

    A callback is a hint: it may name the ticket of a purchase. How the job stands, where its
    video is and what it cost is always asked with our own key.
    """

    ticket_in: Callable[[bytes], str]
    """The vendor's id in a callback's body. Anything else than a callback is `Unreadable`."""
    own_ticket: Callable[[JobKey, int], str] | None = None
    """The id that an attempt must have, where the buyer chooses it."""
    signing: Signing | None = None


def called_with(body: bytes) -> Record:
    """What a callback says: a JSON object, or `Unreadable`."""
    return HttpReply(status=200, text=body.decode("utf-8", errors="replace")).record()


def no_video(
    said: str, *, code: str | None, retryable: bool = False, charged: bool | None = None
) -> Failed:
    """A vendor's last word. Where it may go better next time the error is not `Refused`."""
    error = Transient(said) if retryable else Refused(said, code)
    return Failed(error=error, retryable=retryable, charged=charged)


class Provider(Protocol):
    """The furniture of a room, in the order in which every room has it."""

    # What it is: data, checked while planning, before money.
    @property
    def NAME(self) -> str: ...  # noqa: N802 - module constants, seen as a protocol
    @property
    def TITLE(self) -> str: ...  # noqa: N802
    @property
    def READ_ON(self) -> date: ...  # noqa: N802
    @property
    def KEY_VARIABLE(self) -> str: ...  # noqa: N802
    @property
    def ADDRESSES(self) -> Mapping[str, str]:  # noqa: N802
        """The vendor's own addresses, by the environment variable that replaces each."""
        ...

    @property
    def MODELS(self) -> Mapping[str, Model]:  # noqa: N802
        """By version; the first is the default."""
        ...

    @property
    def USD_PER_CREDIT(self) -> Decimal | None: ...  # noqa: N802
    @property
    def CHARGED_FOR(self) -> str: ...  # noqa: N802
    @property
    def LOST_ANSWER(self) -> LostAnswer: ...  # noqa: N802
    @property
    def STAGES(self) -> frozenset[MediaKind]:  # noqa: N802
        """The kinds of media that `staging` brings to the vendor; others need a public address."""
        ...

    # Who asks.
    def auth_headers(self, api_key: str) -> Mapping[str, str]: ...

    # Bringing media there.
    @property
    def staging(self) -> Callable[[Upload], Flow[Staged]] | None: ...

    # Buying: a pair and not a flow, because the ledger must write in between.
    def submission_call(self, submission: Submission) -> HttpCall: ...
    def read_submission(self, reply: HttpReply, submission: Submission) -> Ticket: ...

    # Waiting.
    def checking(self, ticket: Ticket) -> Flow[Progress]: ...

    # A lost answer: a ticket, or None where the vendor does not (yet) know of the purchase.
    @property
    def recovering(self) -> Callable[[Submission, timedelta], Flow[Ticket | None]] | None: ...

    # Giving up.
    @property
    def cancelling(self) -> Callable[[Ticket], Flow[Cancelled]] | None: ...

    # Being called, instead of asking.
    @property
    def CALLBACKS(self) -> Callbacks | None: ...  # noqa: N802

    @property
    def TOGETHER(self) -> Together | None: ...  # noqa: N802
