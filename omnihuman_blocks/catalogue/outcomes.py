"""What the ledger says of jobs -> what became of them, in the words of the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from omnihuman_blocks.domain.checks import Figures
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import HAS_TICKET, Stage
from omnihuman_blocks.domain.outcome import UNTOUCHED, Clip, JobOutcome
from omnihuman_blocks.domain.pricing import Charge, CostBasis
from omnihuman_blocks.edges.ledger import JobState, Ledger
from omnihuman_blocks.errors import InDoubt
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.walk.opening import VIDEOS
from omnihuman_blocks.walk.walker import Ending

LOOKED_AT = (Stage.DONE, Stage.SPOILED)
UNHEARD = "The purchase was on its way when its process ended; its answer was never heard."


def read_outcomes(ledger: Ledger, keys: Collection[JobKey]) -> dict[JobKey, JobOutcome]:
    """Every job that the ledger has heard of."""
    states = ledger.states(keys)
    intended = any(state.stage is Stage.INTENDED for state in states.values())
    orphans = {orphan.key for orphan in ledger.orphans()} if intended else frozenset()
    return {
        key: outcome_of(state, is_owned=state.owner is not None and key not in orphans)
        for key, state in states.items()
    }


def outcome_of(state: JobState, *, is_owned: bool) -> JobOutcome:
    """One job's state as the catalogue tells it."""
    generate = state.generated_seconds
    total = _seconds_between(state)
    output = state.outputs[0] if state.outputs else None
    error_class, error_message = _error(state, is_owned=is_owned)
    return JobOutcome(
        stage=state.stage,
        is_owned=is_owned,
        # An attempt that waits to be bought, or was turned away, has not been made.
        attempt=state.attempt - (state.stage is Stage.OPEN),
        ticket=None if state.ticket is None else state.ticket.id,
        submitted_at=state.submitted_at,
        finished_at=state.finished_at,
        queue_seconds=None if None in (generate, total) else _positive(total, generate),
        generate_seconds=generate if generate is not None else total,
        charge=_charge(state),
        error_class=error_class,
        error_message=error_message,
        clip=_clip(state),
        checks=Figures.from_json(state.checks) if state.stage in LOOKED_AT else None,
        seed=None if output is None else output.seed,
    )


def with_flow_runs(
    outcomes: Mapping[JobKey, JobOutcome], flow_runs: Mapping[JobKey, str]
) -> dict[JobKey, JobOutcome]:
    """The outcomes, with the flow runs that the ledger does not know of."""
    return {
        key: replace(outcome, flow_run_id=flow_runs[key]) if key in flow_runs else outcome
        for key, outcome in outcomes.items()
    }


def with_endings(
    outcomes: Mapping[JobKey, JobOutcome], endings: Iterable[Ending], flow_run_id: str | None
) -> dict[JobKey, JobOutcome]:
    """The outcomes, with what only this invocation knows: why something was not bought."""
    told = dict(outcomes)
    for ending in endings:
        outcome = replace(told.get(ending.key, UNTOUCHED), flow_run_id=flow_run_id)
        if ending.error_class is not None and outcome.stage in (Stage.OPEN, *HAS_TICKET):
            outcome = replace(
                outcome,
                is_blocked=outcome.stage is Stage.OPEN,
                error_class=ending.error_class,
                error_message=ending.error_message,
            )
        told[ending.key] = outcome
    return told


def _error(state: JobState, *, is_owned: bool) -> tuple[str | None, str | None]:
    """A doubt is told with what can be done about it, also where its owner died without a word."""
    said = None if state.error is None else state.error.message
    orphaned = state.stage is Stage.INTENDED and not is_owned
    if state.stage is Stage.IN_DOUBT or orphaned:
        remedy = PROVIDERS[state.provider].LOST_ANSWER.remedy
        return InDoubt.__name__, f"{said or UNHEARD} {remedy}"
    return None if state.error is None else state.error.name, said


def _charge(state: JobState) -> Charge | None:
    """All attempts together. One whose charge nobody knows makes the sum unknown."""
    if state.unknown_charges:
        return Charge(usd=None, basis=CostBasis.UNKNOWN)
    if state.charge is None:
        return (
            Charge(usd=state.charged_usd, basis=CostBasis.REPORTED) if state.charged_usd else None
        )
    return Charge(usd=state.charged_usd, basis=state.charge.basis)


def _clip(state: JobState) -> Clip | None:
    clip = state.clip
    if clip is None:
        return None
    return Clip(
        uri=f"{VIDEOS}/{clip.file}",
        sha256=clip.sha256,
        size=clip.size,
        width=clip.width or 0,
        height=clip.height or 0,
        seconds=clip.seconds or Decimal(0),
    )


def _seconds_between(state: JobState) -> Decimal | None:
    if state.submitted_at is None or state.finished_at is None:
        return None
    return Decimal(str((state.finished_at - state.submitted_at).total_seconds()))


def _positive(total: Decimal | None, part: Decimal | None) -> Decimal:
    return max((total or Decimal(0)) - (part or Decimal(0)), Decimal(0))
