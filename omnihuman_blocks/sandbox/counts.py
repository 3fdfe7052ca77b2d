"""What money would say: the sandbox's own account of everything that was bought from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from omnihuman_blocks.sandbox.desk import Desk
from omnihuman_blocks.sandbox.job import Job, MediumKind, Phase
from omnihuman_blocks.sandbox.settings import VENDORS, Vendor
from omnihuman_blocks.sandbox.times import iso_z, wall


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """One accepted order."""

    number: int
    vendor: Vendor
    model: str
    ticket: str
    client_id: str | None
    fingerprint: str
    image_sha256: str | None
    audio_sha256: str | None
    audio_seconds: float | None
    accepted_at: str
    state: Phase
    cancelled: bool
    failure: str | None
    charged: bool
    charge_usd: Decimal
    finished_at: str | None
    seen_at: str | None
    """When the client was first told that it had ended."""
    detection_seconds: float | None
    """How long that took."""
    requests: Mapping[str, int]
    webhooks: int


@dataclass(frozen=True, kw_only=True)
class Take:
    """Everything that was bought of one content: equal orders at one vendor."""

    vendor: Vendor
    fingerprint: str
    accepted: int
    charged: int
    charged_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class VendorCounts:
    """One vendor's side."""

    accepted: int = 0
    charged: int = 0
    charged_usd: Decimal = Decimal(0)
    in_flight: int = 0
    in_flight_maximum: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A snapshot."""

    purchases: tuple[Purchase, ...]
    contents: tuple[Take, ...]
    vendors: Mapping[Vendor, VendorCounts]
    faults: Mapping[str, int]
    """How often each rule has struck."""

    def accepted(self, vendor: Vendor | None = None) -> int:
        """How many orders were accepted."""
        return sum(one.accepted for name, one in self.vendors.items() if vendor in (None, name))

    def charged(self, vendor: Vendor | None = None) -> int:
        """How many of them were charged."""
        return sum(one.charged for name, one in self.vendors.items() if vendor in (None, name))

    def charged_usd(self, vendor: Vendor | None = None) -> Decimal:
        """What was charged."""
        these = [one for name, one in self.vendors.items() if vendor in (None, name)]
        return sum((one.charged_usd for one in these), Decimal(0))

    def bought_twice(self) -> tuple[Take, ...]:
        """Contents that were accepted more than once."""
        return tuple(take for take in self.contents if take.accepted > 1)

    def document(self) -> dict[str, Any]:
        """The snapshot as plain JSON values; money as text."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def count(desk: Desk) -> Counts:
    """The account as it is now."""
    desk.engine.advance()
    jobs = desk.engine.bought
    return Counts(
        purchases=tuple(map(_purchase, jobs)),
        contents=tuple(_contents(jobs)),
        vendors={vendor: _vendor(desk, vendor, jobs) for vendor in VENDORS},
        faults=desk.faults.happened(),
    )


def _purchase(job: Job) -> Purchase:
    delay = None
    if job.seen_at is not None and job.finished_at is not None:
        delay = round(job.seen_at - job.finished_at, 6)
    return Purchase(
        number=job.number,
        vendor=job.order.vendor,
        model=job.order.model,
        ticket=job.order.ticket,
        client_id=job.order.client_id,
        fingerprint=job.fingerprint,
        image_sha256=_digest(job, "image"),
        audio_sha256=_digest(job, "audio"),
        audio_seconds=job.seconds,
        accepted_at=iso_z(wall(job.accepted_at)),
        state=job.phase,
        cancelled=job.cancelled,
        failure=job.failure.code if job.failure and job.finished_at is not None else None,
        charged=job.charged,
        charge_usd=job.charge_usd,
        finished_at=iso_z(wall(job.finished_at)) if job.finished_at is not None else None,
        seen_at=iso_z(wall(job.seen_at)) if job.seen_at is not None else None,
        detection_seconds=delay,
        requests=dict(job.asked),
        webhooks=job.calls,
    )


def _digest(job: Job, kind: MediumKind) -> str | None:
    medium = job.inputs.get(kind)
    return medium.digest if medium else None


def _contents(jobs: Iterable[Job]) -> Iterable[Take]:
    groups: dict[tuple[Vendor, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.order.vendor, job.fingerprint), []).append(job)
    for (vendor, fingerprint), group in groups.items():
        yield Take(
            vendor=vendor,
            fingerprint=fingerprint,
            accepted=len(group),
            charged=sum(job.charged for job in group),
            charged_usd=sum((job.charge_usd for job in group), Decimal(0)),
        )


def _vendor(desk: Desk, vendor: Vendor, jobs: Iterable[Job]) -> VendorCounts:
    mine = [job for job in jobs if job.order.vendor == vendor]
    requests: Counter[str] = Counter()
    for (name, operation), number in desk.requests.items():
        if name == vendor:
            requests[operation] += number
    return VendorCounts(
        accepted=len(mine),
        charged=sum(job.charged for job in mine),
        charged_usd=sum((job.charge_usd for job in mine), Decimal(0)),
        in_flight=desk.engine.in_flight[vendor],
        in_flight_maximum=desk.engine.in_flight_maximum[vendor],
        requests=dict(requests),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return f"{value:f}" if isinstance(value, Decimal) else value
