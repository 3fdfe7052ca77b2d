"""The columns of `catalogue.parquet`, `plan.parquet` and `history/`, and lines as such columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa

from omnihuman_blocks.domain.catalogue import CatalogueLine, PartLine
from omnihuman_blocks.domain.checks import NUMBERS as FIGURES
from omnihuman_blocks.domain.job import Media
from omnihuman_blocks.domain.planned import Part, PlannedRow
from omnihuman_blocks.domain.pricing import money
from omnihuman_blocks.domain.rejecting import Mend, to_mend
from omnihuman_blocks.domain.row import AVATARS, SCRIPTS, Rejection
from omnihuman_blocks.edges.sheets import AVATAR_COLUMNS, ENABLED, SCRIPT_COLUMNS
from omnihuman_blocks.edges.tables import Tables

TEXT, FLAG, NUMBER, COUNT = pa.string(), pa.bool_(), pa.int64(), pa.int32()
SECONDS = pa.float64()
MONEY = pa.decimal128(18, 6)
TIME = pa.timestamp("us", tz="UTC")
TEXTS = pa.list_(TEXT)
FINGERPRINT = "fingerprint"
LARGEST_SEED = 2**63 - 1
BATCH = 8192

MADE_FROM = pa.struct([("clip_key", TEXT), ("text_sha256", TEXT), ("source_hash", TEXT)])
"""What the last finished video of a row was made from, whatever the tables say now."""

CATALOGUE = pa.schema(
    [
        pa.field("row_id", TEXT, nullable=False),
        pa.field("script_id", TEXT),
        pa.field("locale", TEXT),
        pa.field("avatar_id", TEXT),
        pa.field("variant", COUNT),
        pa.field("clip_key", TEXT),
        pa.field(
            "parts",
            pa.list_(
                pa.struct(
                    [
                        ("job_key", TEXT),
                        ("attempt", COUNT),
                        ("ticket", TEXT),
                        ("start_seconds", SECONDS),
                        ("seconds", SECONDS),
                        ("cost_usd", MONEY),
                        ("state", TEXT),
                    ]
                )
            ),
        ),
        pa.field("state", TEXT, nullable=False),
        pa.field("error_class", TEXT),
        pa.field("error_message", TEXT),
        pa.field("provider", TEXT),
        pa.field("model", TEXT),
        pa.field("ticket", TEXT),
        pa.field("video_uri", TEXT),
        pa.field("video_sha256", TEXT),
        pa.field("video_bytes", NUMBER),
        pa.field("width", COUNT),
        pa.field("height", COUNT),
        pa.field("video_seconds", SECONDS),
        pa.field(
            "checks",
            pa.struct([("verdict", TEXT), *((name, pa.float64()) for name in FIGURES)]),
        ),
        pa.field("poster_uri", TEXT),
        pa.field("captions_srt_uri", TEXT),
        pa.field("captions_vtt_uri", TEXT),
        pa.field("captioned_uri", TEXT),
        pa.field("made_from", MADE_FROM),
        pa.field("audio_seconds", SECONDS),
        pa.field("quote_usd", MONEY),
        pa.field("cost_usd", MONEY),
        pa.field("cost_basis", TEXT),
        pa.field("seed", NUMBER),
        pa.field("ignored", TEXTS),
        pa.field("attempts", COUNT),
        pa.field("reused", FLAG),
        pa.field("submitted_at", TIME),
        pa.field("finished_at", TIME),
        pa.field("queue_seconds", SECONDS),
        pa.field("generate_seconds", SECONDS),
        pa.field("flow_run_id", TEXT),
    ]
)

_MEDIUM = pa.struct(
    [
        ("uri", TEXT),
        ("sha256", TEXT),
        ("size", NUMBER),
        ("format", TEXT),
        ("seconds", pa.decimal128(18, 6)),
        ("width", COUNT),
        ("height", COUNT),
    ]
)

PLAN = pa.schema(
    [
        pa.field("place", NUMBER, nullable=False),
        pa.field("row_id", TEXT, nullable=False),
        pa.field("verdict", TEXT, nullable=False),
        pa.field("script_row", NUMBER),
        pa.field("avatar_row", NUMBER),
        pa.field("script_id", TEXT),
        pa.field("locale", TEXT),
        pa.field("avatar_id", TEXT),
        pa.field("variant", COUNT),
        pa.field("asked_provider", TEXT),
        pa.field("provider", TEXT),
        pa.field("model", TEXT),
        pa.field("clip_key", TEXT),
        pa.field("audio_uri", TEXT),
        pa.field("image_uri", TEXT),
        pa.field("mask_uri", TEXT),
        pa.field("text", TEXT),
        pa.field("voice", TEXT),
        pa.field("image", _MEDIUM),
        pa.field("mask", _MEDIUM),
        pa.field(
            "parts",
            pa.list_(
                pa.struct(
                    [
                        ("job_key", TEXT),
                        ("audio", _MEDIUM),
                        ("start_seconds", pa.decimal128(18, 6)),
                        ("seconds", pa.decimal128(18, 6)),
                        ("is_first", FLAG),
                        ("quote_usd", MONEY),
                        ("bound_usd", MONEY),
                    ]
                )
            ),
        ),
        pa.field("options", TEXT),
        pa.field("ignored", TEXTS),
        pa.field("notes", TEXTS),
        pa.field("quote_usd", MONEY),
        pa.field("bound_usd", MONEY),
        pa.field(
            "rejections",
            pa.list_(
                pa.struct(
                    [
                        ("table", TEXT),
                        ("row", NUMBER),
                        ("column", TEXT),
                        ("reason", TEXT),
                        ("remedy", TEXT),
                    ]
                )
            ),
        ),
    ]
)

LINE_NAMES = tuple(field.name for field in fields(CatalogueLine))
PART_NAMES = tuple(field.name for field in fields(PartLine))
MEDIUM_NAMES = tuple(field.name for field in _MEDIUM)

OURS = frozenset(
    (*CATALOGUE.names, *PLAN.names, FINGERPRINT, ENABLED, *SCRIPT_COLUMNS, *AVATAR_COLUMNS)
)
"""Names that a carried column cannot keep, however spelled: to SQL `State` and `state` are one."""

REJECTIONS = pa.schema(
    [
        pa.field("table", TEXT, nullable=False),
        pa.field("row", NUMBER),
        pa.field("column", TEXT),
        pa.field("reason", TEXT, nullable=False),
        pa.field("remedy", TEXT, nullable=False),
        pa.field("rows", NUMBER, nullable=False),
        pa.field("script_id", TEXT),
        pa.field("locale", TEXT),
        pa.field("avatar_id", TEXT),
        pa.field("variant", COUNT),
    ]
)
"""Each cell to mend once. `rows` of the catalogue wait for it; the ids are those of the first."""


def carried_names(tables: Tables) -> tuple[dict[str, str], dict[str, str]]:
    """What the other columns of both tables are called in the catalogue."""
    scripts, avatars = tables.scripts.carried.column_names, tables.avatars.carried.column_names
    taken = Counter(name.casefold() for name in (*OURS, *tables.asked.option_names))
    taken.update({name.casefold() for name in scripts} & {name.casefold() for name in avatars})
    given: set[str] = set()
    names: list[dict[str, str]] = []
    for table, columns in ((SCRIPTS, scripts), (AVATARS, avatars)):
        renamed = {}
        for column in columns:
            name = f"{table}.{column}" if column.casefold() in taken else column
            while name.casefold() in given:
                name = f"{table}.{name}"
            given.add(name.casefold())
            renamed[column] = name
        names.append(renamed)
    return names[0], names[1]


def catalogue_table(lines: Iterable[CatalogueLine]) -> pa.Table:
    """Lines as columns, a batch at a time."""
    return _table((_catalogue_cells(line) for line in lines), CATALOGUE)


def plan_table(rows: Iterable[PlannedRow]) -> pa.Table:
    """Planned rows as columns, a batch at a time."""
    return _table((_plan_cells(row) for row in rows), PLAN)


def rejections_table(rejections: Iterable[Rejection]) -> pa.Table:
    """What there is to mend as columns, in the order of the tables."""
    return _table((_mend_cells(mend) for mend in to_mend(rejections)), REJECTIONS)


def _table(lines: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    batches = [_batch(held, schema) for held in _batched(lines)]
    return pa.Table.from_batches(batches, schema)


def _batched(lines: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(lines)
    while held := list(islice(rest, BATCH)):
        yield held


def _batch(held: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    try:
        return pa.RecordBatch.from_pylist(held, schema)
    except UnicodeEncodeError:  # half a sign in a vendor's message
        return pa.RecordBatch.from_pylist([_writable(cells) for cells in held], schema)


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode()
    if isinstance(value, dict):
        return {name: _writable(item) for name, item in value.items()}
    return [_writable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _catalogue_cells(line: CatalogueLine) -> dict[str, Any]:
    cells = {name: _plain(name, getattr(line, name)) for name in LINE_NAMES}
    cells["checks"] = line.checks and {
        "verdict": line.checks.verdict,
        **{name: _number(getattr(line.checks, name)) for name in FIGURES},
    }
    cells["parts"] = [
        {name: _plain(name, getattr(part, name)) for name in PART_NAMES} for part in line.parts
    ]
    return cells


def _plain(name: str, value: Any) -> Any:
    """Money to a millionth; lengths as plain numbers, which people calculate with."""
    if isinstance(value, Decimal):
        return float(value) if name.endswith("seconds") else money(value)
    if name == "seed" and value is not None and abs(value) > LARGEST_SEED:
        return None
    return value


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _plan_cells(line: PlannedRow) -> dict[str, Any]:
    row, job = line.row, line.parts[0].job if line.parts else None
    return {
        "place": line.place,
        "row_id": line.row_id,
        "verdict": line.verdict.value,
        "script_row": row and row.script_row,
        "avatar_row": row and row.avatar_row,
        "script_id": line.script_id,
        "locale": line.locale,
        "avatar_id": line.avatar_id,
        "variant": line.variant,
        "asked_provider": row and row.provider,
        "provider": line.provider,
        "model": line.model,
        "clip_key": line.clip_key,
        "audio_uri": row and row.audio_uri,
        "image_uri": row and row.image_uri,
        "mask_uri": row and row.mask_uri,
        "text": row and row.text,
        "voice": row and row.voice,
        "image": job and _medium(job.image),
        "mask": job and _medium(job.mask),
        "parts": [_part_cells(part) for part in line.parts],
        "options": job and job.options.model_dump_json(exclude_none=True),
        "ignored": line.ignored,
        "notes": line.notes,
        "quote_usd": _money(line.quote),
        "bound_usd": _money(line.bound),
        "rejections": [
            {
                "table": one.table,
                "row": one.number,
                "column": one.column,
                "reason": one.reason,
                "remedy": one.remedy,
            }
            for one in line.rejections
        ],
    }


def _mend_cells(mend: Mend) -> dict[str, Any]:
    one = mend.rejection
    return {
        "table": one.table,
        "row": one.number,
        "column": one.column,
        "reason": one.reason,
        "remedy": one.remedy,
        "rows": mend.rows,
        "script_id": one.script_id,
        "locale": one.locale,
        "avatar_id": one.avatar_id,
        "variant": one.variant,
    }


def _medium(media: Media | None) -> dict[str, Any] | None:
    if media is None:
        return None
    cells = {name: getattr(media, name) for name in MEDIUM_NAMES}
    cells["seconds"] = None if media.seconds is None else _six(media.seconds)
    return cells


def _part_cells(part: Part) -> dict[str, Any]:
    return {
        "job_key": part.job.key,
        "audio": _medium(part.job.audio),
        "start_seconds": _six(part.start_seconds),
        "seconds": _six(part.seconds),
        "is_first": part.is_first,
        "quote_usd": part.quote,
        "bound_usd": part.bound,
    }


def _money(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else money(amount)


def _six(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.000001"))
