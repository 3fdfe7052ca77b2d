"""A planned row and what became of its jobs -> its line of the catalogue.

A pure function of the two, so that writing the catalogue again changes nothing. Money adds up: the
cost of a job stands in the first row that asked for it and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from omnihuman_blocks.domain.checks import Figures, worst
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import (
    UNPUBLISHED,
    UNTOUCHED,
    Clip,
    JobOutcome,
    Joined,
    Published,
    RowState,
    state_of,
    together,
)
from omnihuman_blocks.domain.planned import Part, PlannedRow
from omnihuman_blocks.domain.pricing import NOT_CHARGED, UNKNOWN_CHARGE, Charge
from omnihuman_blocks.errors import BadDelivery, InvalidRow


@dataclass(frozen=True, kw_only=True)
class PartLine:
    """One entry of column `parts`. Its cost is the job's, whichever row carries it."""

    job_key: str
    attempt: int
    ticket: str | None
    start_seconds: Decimal
    seconds: Decimal
    cost_usd: Decimal | None
    state: str


@dataclass(frozen=True, kw_only=True)
class CatalogueLine:
    """One line of `catalogue.parquet`, in the order of its columns, without the carried ones."""

    row_id: str
    script_id: str | None
    locale: str | None
    avatar_id: str | None
    variant: int | None
    clip_key: str | None
    parts: tuple[PartLine, ...]
    state: str
    error_class: str | None
    error_message: str | None
    provider: str | None
    model: str | None
    ticket: str | None
    video_uri: str | None = None
    video_sha256: str | None = None
    video_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    video_seconds: Decimal | None = None
    checks: Figures | None = None
    poster_uri: str | None = None
    captions_srt_uri: str | None = None
    captions_vtt_uri: str | None = None
    captioned_uri: str | None = None
    audio_seconds: Decimal | None
    quote_usd: Decimal | None
    cost_usd: Decimal | None
    cost_basis: str
    seed: int | None
    ignored: tuple[str, ...]
    attempts: int
    reused: bool
    submitted_at: datetime | None
    finished_at: datetime | None
    queue_seconds: Decimal | None
    generate_seconds: Decimal | None
    flow_run_id: str | None


def row_state(
    row: PlannedRow, outcomes: Mapping[JobKey, JobOutcome], clip: Joined | None = None
) -> RowState:
    """Where a row stands. One of several parts is done when its joined `clip` is there."""
    if row.rejections:
        return RowState.REJECTED
    state = state_of(_outcome(part, outcomes).state for part in row.parts)
    if state is not RowState.DONE:
        return state
    match _clip(row, outcomes, clip):
        case Clip():
            return RowState.DONE
        case BadDelivery():
            return RowState.FAILED
        case _:
            return RowState.PENDING


def catalogue_line(
    row: PlannedRow,
    outcomes: Mapping[JobKey, JobOutcome],
    clip: Joined | None = None,
    published: Published = UNPUBLISHED,
) -> CatalogueLine:
    """The line as it stands now. `clip` is the joined video of a row of several parts."""
    state = row_state(row, outcomes, clip)
    last = _outcome(row.parts[-1], outcomes) if row.parts else UNTOUCHED
    error_class, error_message = _error(row, state, outcomes, clip)
    video = clip_of(row, outcomes, clip)
    charge = _charge(row, outcomes)
    line = CatalogueLine(
        row_id=row.row_id,
        script_id=row.script_id,
        locale=row.locale,
        avatar_id=row.avatar_id,
        variant=row.variant,
        clip_key=row.clip_key,
        parts=tuple(_part_line(part, _outcome(part, outcomes)) for part in row.parts),
        state=_shown(state),
        error_class=error_class,
        error_message=error_message,
        provider=row.provider,
        model=row.model,
        ticket=last.ticket,
        audio_seconds=row.seconds if row.parts else None,
        quote_usd=row.quote,
        cost_usd=charge.usd,
        cost_basis=charge.basis.value,
        seed=last.seed,
        ignored=row.ignored,
        attempts=last.attempt,
        reused=row.is_reused,
        submitted_at=last.submitted_at,
        finished_at=last.finished_at,
        queue_seconds=last.queue_seconds,
        generate_seconds=last.generate_seconds,
        flow_run_id=last.flow_run_id,
        checks=worst(_outcome(part, outcomes).checks for part in row.parts),
    )
    return _with_video(line, video, published) if isinstance(video, Clip) else line


def _with_video(line: CatalogueLine, video: Clip, published: Published) -> CatalogueLine:
    return replace(
        line,
        video_uri=video.uri,
        video_sha256=video.sha256,
        video_bytes=video.size,
        width=video.width,
        height=video.height,
        video_seconds=video.seconds,
        poster_uri=published.poster_uri,
        captions_srt_uri=published.captions_srt_uri,
        captions_vtt_uri=published.captions_vtt_uri,
        captioned_uri=published.captioned_uri,
    )


def _outcome(part: Part, outcomes: Mapping[JobKey, JobOutcome]) -> JobOutcome:
    return outcomes.get(part.job.key, UNTOUCHED)


def clip_of(
    row: PlannedRow, outcomes: Mapping[JobKey, JobOutcome], joined: Joined | None = None
) -> Clip | None:
    """The row's video; None where the row is not done."""
    if row_state(row, outcomes, joined) is not RowState.DONE:
        return None
    clip = _clip(row, outcomes, joined)
    return clip if isinstance(clip, Clip) else None


def _clip(
    row: PlannedRow, outcomes: Mapping[JobKey, JobOutcome], joined: Joined | None
) -> Joined | None:
    return _outcome(row.parts[0], outcomes).clip if len(row.parts) == 1 else joined


def _shown(state: RowState) -> str:
    """The catalogue shows what is, not what would be done next."""
    return (RowState.PENDING if state is RowState.PLANNED else state).value


def _error(
    row: PlannedRow,
    state: RowState,
    outcomes: Mapping[JobKey, JobOutcome],
    clip: Joined | None,
) -> tuple[str | None, str | None]:
    if row.rejections:
        message = "\n".join(rejection.message for rejection in row.rejections)
        return InvalidRow.__name__, message
    if state is RowState.DONE:
        return None, None
    for part in row.parts:
        outcome = _outcome(part, outcomes)
        if outcome.state is state and outcome.error_class is not None:
            return outcome.error_class, outcome.error_message
    if state is RowState.FAILED and isinstance(clip, BadDelivery):
        return BadDelivery.__name__, str(clip)
    return None, None


def _charge(row: PlannedRow, outcomes: Mapping[JobKey, JobOutcome]) -> Charge:
    """What the row's own parts have cost; nothing where other rows carry them or none was sent."""
    own = (part for part in row.parts if part.is_first)
    return together(_charged(_outcome(part, outcomes)) for part in own) or NOT_CHARGED


def _charged(outcome: JobOutcome) -> Charge:
    if outcome.charge is not None:
        return outcome.charge
    return NOT_CHARGED if outcome.stage is Stage.OPEN else UNKNOWN_CHARGE


def _part_line(part: Part, outcome: JobOutcome) -> PartLine:
    return PartLine(
        job_key=part.job.key,
        attempt=outcome.attempt,
        ticket=outcome.ticket,
        start_seconds=part.start_seconds,
        seconds=part.seconds,
        cost_usd=_charged(outcome).usd,
        state=_shown(outcome.state),
    )


def catalogue_lines(
    rows: Iterable[PlannedRow],
    outcomes: Mapping[JobKey, JobOutcome],
    clips: Mapping[str, Joined] | None = None,
    published: Mapping[str, Published] | None = None,
) -> Iterator[CatalogueLine]:
    """The lines of several rows; `clips` are joined videos by clip key, `published` by row id."""
    joined, shown = clips or {}, published or {}
    for row in rows:
        clip = joined.get(row.clip_key or "")
        yield catalogue_line(row, outcomes, clip, shown.get(row.row_id, UNPUBLISHED))
