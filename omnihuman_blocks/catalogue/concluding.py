"""What was prepared, and how the walks ended -> the files of the results folder and a summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from omnihuman_blocks.catalogue.joining import Joining, join_rows, joined_clips
from omnihuman_blocks.catalogue.outcomes import read_outcomes, with_endings, with_flow_runs
from omnihuman_blocks.catalogue.preparing import Prepared
from omnihuman_blocks.catalogue.publishing import publish
from omnihuman_blocks.domain.catalogue import catalogue_lines, row_state
from omnihuman_blocks.domain.checks import understand_checks
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.outcome import JobOutcome, Joined, RowState
from omnihuman_blocks.domain.planned import Plan, PlannedRow
from omnihuman_blocks.domain.summary import (
    Summary,
    Tally,
    charged,
    count_rows,
    exit_code,
    rejection_lines,
)
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges import dataset
from omnihuman_blocks.edges.columns import catalogue_table
from omnihuman_blocks.edges.coverage import cover_catalogue, write_coverage
from omnihuman_blocks.edges.gallery import write_gallery
from omnihuman_blocks.edges.joining import NONE
from omnihuman_blocks.edges.kept_cuts import write_cuts
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.note import Note, write_note
from omnihuman_blocks.edges.recall import (
    CATALOGUE_FILE,
    tally_catalogue,
    tally_kept,
    tally_lines,
)
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.tables import Tables
from omnihuman_blocks.errors import BadDelivery
from omnihuman_blocks.walk.walker import Ending

GALLERY_ROWS = 2_000
"""A page with more videos than this helps nobody; the catalogue has them all."""
GALLERY_COLUMNS = [
    *("row_id", "script_id", "locale", "avatar_id", "provider", "state", "video_uri"),
    *("video_seconds", "cost_usd", "cost_basis", "error_class", "error_message"),
    *("poster_uri", "captions_vtt_uri", "checks"),
]
FAILURE_COLUMNS = [
    *("script_id", "locale", "avatar_id", "provider", "ticket"),
    *("state", "error_class", "error_message"),
]
FAILURES_SHOWN = 1_000
REASON_COLUMNS = ["state", "error_class", "error_message"]
REASONS_SHOWN = 5
REJECTIONS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """How an invocation ended."""

    summary: Summary
    exit_code: int
    failures: Sequence[Mapping[str, object]]
    """Rows that are not done, for a table that people read."""
    reasons: Sequence[Mapping[str, object]]
    """Why rows are not done, the most frequent first, with the number of rows."""
    rejections: Sequence[str] = ()
    """The cells to mend, in the order of the tables; the first of them where they are many."""

    def told(self) -> Record:
        """All that whoever asked for it is told."""
        return {
            **self.summary.as_json(),
            "unknown_costs": sum(tally.unknown_costs for tally in self.summary.tallies),
            "reasons": [cast("Record", dict(reason)) for reason in self.reasons],
            "rejections": [*self.rejections],
            "exit_code": self.exit_code,
        }


def write_beginning(prepared: Prepared) -> None:
    """What every later command starts from, written before anything is bought.

    Where several processes make one catalogue the first of them writes it for all.
    """
    order = prepared.order
    dataset.write_plan(prepared.folder, prepared.plan, prepared.tables, prepared.recognised)
    write_note(
        prepared.folder,
        Note(
            scripts=order.scripts if isinstance(order.scripts, str) else None,
            avatars=order.avatars if isinstance(order.avatars, str) else None,
            provider=order.provider,
            options={name: str(value) for name, value in order.options.items()},
            no_split=order.no_split,
            checks=order.checks,
            soft_captions=order.soft_captions,
            ledger=order.ledger,
            media_store=order.media_store,
            media_store_public=order.media_store_public,
            webhook_url=order.webhook_url,
            speech=order.speech,
            voices=order.voices,
            lexicon=order.lexicon,
        ),
    )
    write_cuts(prepared.folder, prepared.spoken.cuts)
    dataset.write_catalogue(
        prepared.folder,
        prepared.plan,
        prepared.outcomes,
        prepared.tables,
        prepared.recognised,
        clips=prepared.clips,
    )


def join(prepared: Prepared, ledger: Ledger, rows: Iterable[PlannedRow] | None = None) -> Joining:
    """Makes one video of each row whose parts are all here; of these rows, or of all."""
    return join_rows(
        prepared.plan.rows if rows is None else rows,
        read_outcomes(ledger, prepared.keys),
        there=joined_clips(prepared.folder, ledger, prepared.plan),
        folder=prepared.folder,
        ledger=ledger,
        thresholds=understand_checks(prepared.order.checks),
    )


def conclude(
    prepared: Prepared,
    endings: Iterable[Ending],
    ledger: Ledger,
    *,
    began_at: datetime,
    flow_run_id: str | None = None,
    unjoined: Mapping[str, BadDelivery] | None = None,
    publishing: bool = True,
    is_last: bool = True,
) -> Conclusion:
    """Writes catalogue, history and gallery from the plan and the ledger as it is now.

    `unjoined`: why the parts of rows did not become one video, by clip key. `publishing`: whether
    there is time to make captions and posters; what is not made now is made the next time.
    `is_last`: nobody else works on this catalogue. Whoever is not the last leaves it to the last,
    and ends as the rows of its own shard do.
    """
    ended = list(endings)
    known = with_flow_runs(read_outcomes(ledger, prepared.keys), prepared.flow_runs)
    outcomes = with_endings(known, ended, flow_run_id)
    clips: dict[str, Joined] = dict(unjoined or {})
    clips.update(joined_clips(prepared.folder, ledger, prepared.plan))
    mine = replace(prepared.plan, rows=tuple(prepared.order.shard.rows(prepared.plan.rows)))
    seen = prepared.plan if is_last else mine
    published = publish(
        prepared.folder,
        seen.rows if publishing else (),
        outcomes,
        clips,
        soft=prepared.order.soft_captions,
    )
    if is_last:
        dataset.write_catalogue(
            prepared.folder,
            prepared.plan,
            outcomes,
            prepared.tables,
            prepared.recognised,
            clips=clips,
            published=published,
        )
    dataset.write_history(
        prepared.folder,
        mine,
        outcomes,
        began_at=began_at,
        ended_at=datetime.now(UTC),
        clips=clips,
    )
    if not is_last:
        return _left_to_others(prepared, mine, outcomes, clips, ended)
    cells = cover_catalogue(prepared.folder, prepared.tables)
    if cells is not None:
        write_coverage(prepared.folder, cells)
    if prepared.folder.is_local:
        show(prepared.folder, prepared.tables)
    summary = _summary(prepared, outcomes, clips, ended, tally_catalogue(prepared.folder))
    return Conclusion(
        summary=summary,
        exit_code=exit_code(summary.rows),
        failures=_failures(_lines(prepared.folder, FAILURE_COLUMNS)),
        reasons=read_reasons(prepared.folder),
        rejections=rejection_lines(prepared.plan, most=REJECTIONS_SHOWN),
    )


def _left_to_others(
    prepared: Prepared,
    mine: Plan,
    outcomes: Mapping[JobKey, JobOutcome],
    clips: Mapping[str, Joined],
    endings: Sequence[Ending],
) -> Conclusion:
    """Of all rows how many stand where, and of its own how they ended: a shard that is not last."""
    everybody, own = (
        catalogue_table(catalogue_lines(plan.rows, outcomes, clips))
        for plan in (prepared.plan, mine)
    )
    tallies = [*tally_kept(prepared.folder, prepared.recognised), *tally_lines(everybody)]
    return Conclusion(
        summary=_summary(prepared, outcomes, clips, endings, tallies),
        exit_code=exit_code(count_rows(tally_lines(own))),
        failures=_failures(own.select(FAILURE_COLUMNS)),
        reasons=_reasons(own.select(REASON_COLUMNS)),
        rejections=rejection_lines(mine, most=REJECTIONS_SHOWN),
    )


def _summary(
    prepared: Prepared,
    outcomes: Mapping[JobKey, JobOutcome],
    clips: Mapping[str, Joined],
    endings: Sequence[Ending],
    tallies: Sequence[Tally],
) -> Summary:
    plan = prepared.plan
    to_buy = plan.to_buy()
    bought_now = {ending.key for ending in endings if ending.bought}
    reused = sum(
        row_state(row, outcomes, clips.get(row.clip_key or "")) is RowState.DONE
        and not any(part.job.key in bought_now for part in row.parts)
        for row in plan.rows
    )
    return Summary(
        rows=count_rows(tallies),
        jobs=len(plan.jobs) + prepared.kept.jobs,
        bought=sum(ending.bought for ending in endings),
        reused=prepared.recognised.count + reused,
        quote_usd=sum((part.quote or Decimal(0) for part in to_buy), Decimal(0)),
        unpriced=sum(part.quote is None for part in to_buy),
        charged_usd=charged(tallies),
        results=prepared.order.results,
        tallies=tallies,
    )


def show(folder: ResultsFolder, tables: Tables) -> None:
    """The gallery: the catalogue's lines beside the words that they speak."""
    lines = _lines(folder, GALLERY_COLUMNS)[:GALLERY_ROWS].to_pylist()
    spoken = tables.scripts.values("text")
    scripts = tables.lines.script[: len(lines)].tolist()
    words = {
        line["row_id"]: spoken[script]
        for line, script in zip(lines, scripts, strict=True)
        if script != NONE and spoken[script]
    }
    write_gallery(Path(folder.root), lines, words)


def _failures(lines: pa.Table) -> list[dict[str, object]]:
    wanted = pc.not_equal(lines["state"], RowState.DONE.value)
    rows: list[dict[str, object]] = lines.filter(wanted)[:FAILURES_SHOWN].to_pylist()
    return rows


def read_reasons(folder: ResultsFolder) -> list[dict[str, object]]:
    """Why rows are not done, by the catalogue: the most frequent reasons first."""
    return _reasons(_lines(folder, REASON_COLUMNS))


def _reasons(lines: pa.Table) -> list[dict[str, object]]:
    groups = lines.filter(pc.is_valid(lines["error_class"])).group_by(REASON_COLUMNS)
    counted = groups.aggregate([([], "count_all")]).rename_columns([*REASON_COLUMNS, "rows"])
    order = [("rows", "descending"), *((name, "ascending") for name in REASON_COLUMNS)]
    rows: list[dict[str, object]] = counted.sort_by(order)[:REASONS_SHOWN].to_pylist()
    return rows


def _lines(folder: ResultsFolder, columns: list[str]) -> pa.Table:
    with folder.files.open_input_file(folder.path(CATALOGUE_FILE)) as file:
        return pq.ParquetFile(file).read(columns)
