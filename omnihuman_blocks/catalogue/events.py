"""What happened in a batch -> Prefect events, for automations and for programs that listen.

One event for each batch and kind, however many jobs are in it: a catalogue of ten rows tells of
each video, one of ten thousand of some two hundred batches. A payload counts everything, names a
few, and never holds a key of an account or an address with credentials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect.events import emit_event

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import JobOutcome, RowState
from omnihuman_blocks.domain.planned import Part, PlannedRow
from omnihuman_blocks.errors import OverBudget
from omnihuman_blocks.walk.order import Order
from omnihuman_blocks.walk.walker import Ending

CLIP_DELIVERED = "clip.delivered"
BATCH_FAILED = "batch.failed"
PURCHASE_IN_DOUBT = "purchase.in_doubt"
BUDGET_REACHED = "budget.reached"

NAMED = 10
"""Jobs that a payload names one by one; all of them are counted."""
REASONS = 5
LONGEST_MESSAGE = 500

Payload = dict[str, Any]


def resource_of(results: str) -> dict[str, str]:
    """A results folder as events know it, and what hangs on it."""
    address = address_of(results)
    return {
        "prefect.resource.id": f"omnihuman.catalogue.{address}",
        "prefect.resource.name": address.rpartition("/")[2],
        "omnihuman.results": address,
        "omnihuman.gallery": f"{address}/index.html",
    }


def address_of(place: str) -> str:
    """Where something is, also for who stands elsewhere: a URI without credentials."""
    if "://" not in place:
        return Path(place).absolute().as_uri()
    parts = urlsplit(place)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl().rstrip("/")


@dataclass(kw_only=True)
class Herald:
    """Tells of batches as they come home. Of a budget that is used up it tells once."""

    order: Order
    rows: Iterable[PlannedRow]
    emit: Callable[..., object] = emit_event
    _places: dict[JobKey, tuple[PlannedRow, Part]] = field(default_factory=dict, init=False)
    _budget_told: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        for row in self.rows:
            for part in row.parts:
                self._places.setdefault(part.job.key, (row, part))

    def tell(self, endings: Sequence[Ending], outcomes: Mapping[JobKey, JobOutcome]) -> None:
        """What became of the jobs of a batch."""
        self._tell_delivered(endings, outcomes)
        self._tell_failed(endings, outcomes)
        self._tell_doubts(endings, outcomes)
        self._tell_budget(endings)

    def tell_broken(self, message: str) -> None:
        """A batch that came home without a word about its jobs; the ledger knows where they are."""
        self._emit(BATCH_FAILED, {"jobs": 0, "error_message": message[:LONGEST_MESSAGE]})

    def _tell_delivered(
        self, endings: Sequence[Ending], outcomes: Mapping[JobKey, JobOutcome]
    ) -> None:
        keys = _in_stage(endings, Stage.DONE)
        if not keys:
            return
        charges = [outcomes[key].charge for key in keys if key in outcomes]
        known = [one.usd for one in charges if one is not None and one.usd is not None]
        payload = {
            "jobs": len(keys),
            "bought": sum(ending.bought for ending in endings),
            "charged_usd": str(sum(known, Decimal(0))),
            "unknown_charges": len(keys) - len(known),
            "locales": self._count(keys, lambda row, _: row.locale),
            "vendors": self._count(keys, lambda _, part: part.job.provider),
            "clips": [self._job(key, outcomes) for key in keys[:NAMED]],
        }
        self._emit(CLIP_DELIVERED, payload)

    def _tell_failed(
        self, endings: Sequence[Ending], outcomes: Mapping[JobKey, JobOutcome]
    ) -> None:
        keys = _in_stage(endings, Stage.FAILED, Stage.SPOILED)
        if not keys:
            return
        said = [outcomes[key] for key in keys if key in outcomes]
        reasons = Counter((one.error_class, one.error_message) for one in said)
        payload = {
            "jobs": len(keys),
            "of": len(endings),
            "reasons": [
                {"error_class": name, "error_message": _short(message), "jobs": count}
                for (name, message), count in reasons.most_common(REASONS)
            ],
            "failed": [self._job(key, outcomes) for key in keys[:NAMED]],
        }
        self._emit(BATCH_FAILED, payload)

    def _tell_doubts(
        self, endings: Sequence[Ending], outcomes: Mapping[JobKey, JobOutcome]
    ) -> None:
        keys = [
            ending.key
            for ending in endings
            if (outcome := outcomes.get(ending.key)) is not None
            and outcome.state is RowState.IN_DOUBT
        ]
        if keys:
            named = [self._job(key, outcomes) for key in keys[:NAMED]]
            self._emit(PURCHASE_IN_DOUBT, {"jobs": len(keys), "in_doubt": named})

    def _tell_budget(self, endings: Sequence[Ending]) -> None:
        held = [one for one in endings if one.error_class == OverBudget.__name__]
        if not held or self._budget_told:
            return
        self._budget_told = True
        budget = self.order.budget
        payload = {
            "budget_usd": None if budget is None else str(budget),
            "error_message": _short(held[0].error_message),
        }
        self._emit(BUDGET_REACHED, payload)

    def _job(self, key: JobKey, outcomes: Mapping[JobKey, JobOutcome]) -> Payload:
        """One job, with what a person needs to find it at the vendor and in the catalogue."""
        outcome = outcomes.get(key)
        told: Payload = {"job_key": key}
        if key in self._places:
            row, part = self._places[key]
            told |= {
                "row_id": row.row_id,
                "locale": row.locale,
                "provider": part.job.provider,
                "model": part.job.model,
            }
        if outcome is not None:
            charge = outcome.charge
            told |= {
                "attempt": outcome.attempt,
                "ticket": outcome.ticket,
                "video_uri": None if outcome.clip is None else outcome.clip.uri,
                "cost_usd": None if charge is None or charge.usd is None else str(charge.usd),
                "error_class": outcome.error_class,
                "error_message": _short(outcome.error_message),
            }
        return {name: value for name, value in told.items() if value is not None}

    def _count(
        self, keys: Sequence[JobKey], word: Callable[[PlannedRow, Part], str | None]
    ) -> dict[str, int]:
        found = [word(*self._places[key]) for key in keys if key in self._places]
        return dict(Counter(each or "(none)" for each in found))

    def _emit(self, event: str, payload: Payload) -> None:
        self.emit(event, resource=resource_of(self.order.results), payload=payload)


def _in_stage(endings: Sequence[Ending], *stages: Stage) -> list[JobKey]:
    return [ending.key for ending in endings if ending.stage in stages]


def _short(message: str | None) -> str | None:
    return None if message is None else message[:LONGEST_MESSAGE]
