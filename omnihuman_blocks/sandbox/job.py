"""The nouns of the sandbox: what was ordered, what became of it, and why it failed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from omnihuman_blocks.sandbox.effects import Effect
from omnihuman_blocks.sandbox.media import Medium
from omnihuman_blocks.sandbox.settings import Vendor

Container: TypeAlias = Literal["mp4", "webm", "mov"]
Phase: TypeAlias = Literal["queued", "working", "done", "failed"]
MediumKind: TypeAlias = Literal["image", "audio", "mask"]
Trouble: TypeAlias = Literal[
    "unreachable", "unreadable", "too_long", "too_small", "too_large", "format"
]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something is wrong with an input, found when the model looked at it."""

    medium: MediumKind
    trouble: Trouble
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How a job ended badly, in the vendor's own words. `status` and `extra` are for its wire."""

    code: str
    message: str
    status: int = 500
    retryable: bool = False
    charged: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a vendor's model takes. None: it does not say."""

    audio_seconds: float | None = None
    audio_seconds_included: bool = False
    audio_formats: frozenset[str] | None = None
    image_sides: tuple[int, int] | None = None
    image_bytes: int | None = None
    image_formats: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a vendor is asked for. `content` is every option that changes the video."""

    vendor: Vendor
    model: str
    ticket: str
    base: str
    body: Any
    addresses: Mapping[MediumKind, str] = field(default_factory=dict)
    client_id: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict)
    resolution: str = "720p"
    container: Container = "mp4"
    results: int = 1
    limits: Limits = field(default_factory=Limits)
    start_within: float | None = None
    lifetime: float | None = None
    webhook: str | None = None
    explain: Callable[[Problem], Failure]
    """An input's problem in this vendor's words."""
    refusal: Failure | None = None
    """Known at once: the model will say no as soon as it looks."""
    late: Failure | None = None
    """What it says when it could not start in time."""


@dataclass(kw_only=True, eq=False)
class Job:
    """One accepted order. Moments are on the sandbox's steady clock."""

    order: Order
    number: int
    accepted_at: float
    fingerprint: str
    inputs: dict[MediumKind, Medium] = field(default_factory=dict)
    request_id: str = ""
    """The vendor's own name for the request, as opposed to the job."""
    seeds: tuple[int, ...] = ()
    output_ids: tuple[str, ...] = ()

    seconds: float | None = None
    measured: asyncio.Event = field(default_factory=asyncio.Event)
    made_at: float | None = None
    """When the outcome became known to the sandbox (not yet to anybody else)."""
    model_seconds: float = 0.0
    film: bytes | None = field(default=None, repr=False)
    failure: Failure | None = None

    started_at: float | None = None
    finished_at: float | None = None
    cancelled: bool = False
    charged: bool = False
    charge_usd: Decimal = Decimal(0)

    asked: Counter[str] = field(default_factory=Counter)
    seen_at: float | None = None
    """When the client was first told that the job has ended."""
    webhook_effects: tuple[Effect, ...] = ()
    called: asyncio.Event = field(default_factory=asyncio.Event)
    """The webhook has been delivered, or given up."""
    calls: int = 0

    @property
    def phase(self) -> Phase:
        """What the outside may know."""
        if self.finished_at is not None:
            return "failed" if self.failure is not None else "done"
        return "queued" if self.started_at is None else "working"

    @property
    def digests(self) -> frozenset[str]:
        """Of its inputs, as far as they are known."""
        return frozenset(medium.digest for medium in self.inputs.values())

    def end(self) -> float:
        """When it ends, once it has started and been made."""
        if self.started_at is None or self.made_at is None:
            raise RuntimeError("a job ends after it has started and been made")
        return max(self.started_at + self.model_seconds, self.made_at)

    def give_up_waiting(self) -> None:
        """No slot came in the time that the client allowed."""
        self.failure, self.film = self.order.late, None


def fingerprint(order: Order, inputs: Mapping[MediumKind, Medium]) -> str:
    """The sandbox's own name for what is bought: equal orders are equal purchases."""
    media = {
        kind: inputs[kind].digest if kind in inputs else f"unread {address[:500]}"
        for kind, address in order.addresses.items()
    }
    parts = [order.vendor, order.model, media, dict(order.content)]
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
