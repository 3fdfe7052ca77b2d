"""The nouns of a purchase: job, submission, ticket, progress, clip address, bill."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NewType, TypeAlias

from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.errors import OmniHumanError

JobKey = NewType("JobKey", str)
"""A job's identity: 64 hexadecimal digits that stand for everything that shapes the video."""


class MediaKind(StrEnum):
    IMAGE = "image"
    AUDIO = "audio"
    MASK = "mask"


@dataclass(frozen=True, kw_only=True)
class Media:
    """An input file as it was examined; `format` is what its bytes are, whatever its name says."""

    kind: MediaKind
    uri: str
    sha256: str
    size: int
    format: str
    seconds: Decimal | None = None
    width: int | None = None
    height: int | None = None
    source: str | None = None
    """What stands for it in a job's key where that is not its own bytes: the recipe of spoken text,
    or a recording and the stretch that was cut from it. Made again, it may have other bytes."""

    @property
    def identity(self) -> str:
        """What enters the key of a job that uses it."""
        return self.sha256 if self.source is None else self.source


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The bytes of a medium on their way to a vendor's storage."""

    kind: MediaKind
    name: str
    media_type: str
    content: bytes = field(repr=False)

    @property
    def data_uri(self) -> str:
        """The bytes written into an address, for vendors that take no file."""
        return f"data:{self.media_type};base64,{b64encode(self.content).decode('ascii')}"


@dataclass(frozen=True, kw_only=True)
class Staged:
    """Where a vendor finds a medium: an address or an id of its own, and how long it is kept."""

    address: str
    kept_for: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video to buy."""

    key: JobKey
    provider: str
    model: str
    """The vendor's own word for it, `Model.id` in the room."""
    image: Media
    audio: Media
    mask: Media | None = None
    options: Options
    variant: int = 1


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One attempt to buy a job, with the addresses at which the vendor finds its media."""

    job: Job
    attempt: int
    image: str
    audio: str
    mask: str | None = None
    callback: str | None = field(default=None, repr=False)
    """Our own address that the vendor calls about this very purchase; known to nobody else."""

    @property
    def options(self) -> Options:
        """The job's wishes, with the address to call where there is one."""
        wishes = self.job.options
        return wishes if self.callback is None else wishes.calling(self.callback)


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """The vendor's id of an accepted purchase. `quoted` is what it said the purchase costs."""

    provider: str
    model: str
    id: str
    quoted: Bill | None = None
    results: int = 1
    """How many videos were asked for under this id; one vendor can make several."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What the vendor said about money, in whichever of its units."""

    usd: Decimal | None = None
    credits: Decimal | None = None
    seconds: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Output:
    """One finished video at the vendor's address."""

    url: str
    id: str | None = None
    seed: int | None = None
    unsafe: bool | None = None
    """The vendor's safety check, where it was asked for."""
    bill: Bill = Bill()


@dataclass(frozen=True, kw_only=True)
class Working:
    """Not finished. What the vendor tells about it, for people to look at."""

    said: str
    queue_position: int | None = None
    percent: int | None = None
    logs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ready:
    """Finished; at least one video. `failures` are those of several results that failed."""

    outputs: tuple[Output, ...]
    failures: tuple[Failed, ...] = ()
    generated_seconds: Decimal | None = None
    """How long the vendor says that generating took."""

    @property
    def bill(self) -> Bill:
        """All outputs together; a unit counts only where every output states it."""
        bills = [output.bill for output in self.outputs]
        return Bill(
            usd=_total([bill.usd for bill in bills]),
            credits=_total([bill.credits for bill in bills]),
            seconds=_total([bill.seconds for bill in bills]),
        )


def _total(amounts: list[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The vendor's last word is that there is no video."""

    error: OmniHumanError
    retryable: bool = False
    """The vendor itself says that trying again may help."""
    charged: bool | None = None
    """None: the vendor does not say. Such a job keeps its reservation."""


Progress: TypeAlias = Working | Ready | Failed


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """What became of a wish to cancel. Not accepted means that it goes on and is charged."""

    accepted: bool
    said: str
