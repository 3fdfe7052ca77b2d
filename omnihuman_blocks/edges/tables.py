"""Tables scripts and avatars in, the lines of the catalogue out: rows, and lines that are none.

The tables stay columns. A line of the catalogue is three numbers: which script, which avatar,
which take; `entries` makes Python objects only of the lines that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnihuman_blocks.domain.problems import Problem
from omnihuman_blocks.domain.row import AVATARS, SCRIPTS, Entry, RejectedRow, Rejection, Row
from omnihuman_blocks.edges.joining import NONE, Lines, join
from omnihuman_blocks.edges.sheets import Sheet, avatars_sheet, scripts_sheet
from omnihuman_blocks.edges.sources import Given, read_source

BATCH_LINES = 8192

Places: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the invocation says about all rows."""

    provider: str
    option_names: frozenset[str]
    """Columns that are wishes: the options of every model that may be asked."""
    wishes: Mapping[str, object] = field(default_factory=dict)
    variants: int = 1


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Both tables and the lines that they make together, in the order of the tables."""

    scripts: Sheet
    avatars: Sheet
    lines: Lines
    asked: Asked

    def __len__(self) -> int:
        return len(self.lines.script)

    @property
    def disabled(self) -> int:
        """Lines of both tables that say `enabled` = false."""
        return self.scripts.disabled + self.avatars.disabled

    @property
    def providers(self) -> frozenset[str]:
        """Every name of a provider that occurs."""
        named = {self.asked.provider}
        for sheet in (self.scripts, self.avatars):
            if sheet.has("provider"):
                named.update(pc.unique(sheet.ours["provider"]).drop_null().to_pylist())
        return frozenset(named)

    def entries(self, places: Places | None = None) -> Iterator[Entry]:
        """The lines at these places of the catalogue, or all, in order."""
        wanted = np.arange(len(self)) if places is None else places
        # Avatars meet many scripts, so their cells are made once.
        avatars = _lines(self.avatars, np.arange(len(self.avatars)))
        for start in range(0, len(wanted), BATCH_LINES):
            yield from self._batch(wanted[start : start + BATCH_LINES], avatars)

    def _batch(self, places: Places, avatars: list[_Line]) -> Iterator[Entry]:
        variants = self.lines.variant[places].tolist()
        scripts = _lines(self.scripts, self.lines.script[places])
        meets = self.lines.avatar[places].tolist()
        for place, script, met, variant in zip(
            places.tolist(), scripts, meets, variants, strict=True
        ):
            avatar = NOTHING if met == NONE else avatars[met]
            if variant:
                yield self._row(place, script, avatar, variant)
            else:
                yield self._rejected(place, script.cells, avatar.cells)

    def _row(self, place: int, script: _Line, avatar: _Line, variant: int) -> Row:
        wishes = dict(self.asked.wishes)
        wished_in: dict[str, str] = {}
        provider = self.asked.provider
        for table, cells in ((AVATARS, avatar.cells), (SCRIPTS, script.cells)):
            for name in self.asked.option_names & cells.keys():
                if cells[name] is not None:
                    wishes[name], wished_in[name] = cells[name], table
            if cells.get("provider") is not None:
                provider, wished_in["provider"] = cells["provider"], table
            if cells.get("voice"):
                wished_in["voice"] = table
        return Row(
            script_id=script.cells["script_id"],
            locale=script.cells["locale"],
            avatar_id=avatar.cells["avatar_id"],
            variant=variant,
            image_uri=avatar.cells["image_uri"],
            mask_uri=avatar.cells.get("mask_uri"),
            audio_uri=script.cells.get("audio_uri"),
            text=script.cells.get("text"),
            voice=script.cells.get("voice") or avatar.cells.get("voice"),
            provider=provider,
            wishes=wishes,
            wished_in=wished_in,
            place=place,
            script_row=script.number,
            avatar_row=avatar.number,
        )

    def _rejected(self, place: int, script: dict[str, Any], avatar: dict[str, Any]) -> RejectedRow:
        table, number, problems = self.lines.refused[place]
        known = RejectedRow(
            place=place,
            rejections=(),
            script_id=script.get("script_id"),
            locale=script.get("locale"),
            avatar_id=avatar.get("avatar_id", script.get("avatar_id")),
        )
        rejections = (_rejection(table, number, problem, known) for problem in problems)
        return replace(known, rejections=tuple(rejections))


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line of one table."""

    number: int
    cells: dict[str, Any]


NOTHING = _Line(number=0, cells={})


def _lines(sheet: Sheet, index: Places) -> list[_Line]:
    """Lines of one sheet; where the index is -1 there is none."""
    if not len(sheet):
        return [NOTHING] * len(index)
    taken = sheet.ours.take(pa.array(np.maximum(index, 0))).to_pylist()
    numbers = sheet.numbers[np.maximum(index, 0)].tolist()
    return [
        _Line(number=number, cells=cells) if i != NONE else NOTHING
        for i, number, cells in zip(index.tolist(), numbers, taken, strict=True)
    ]


def _rejection(table: str, number: int, problem: Problem, row: RejectedRow) -> Rejection:
    return Rejection(
        table=table,
        number=number,
        column=problem.column,
        reason=problem.reason,
        remedy=problem.remedy,
        script_id=row.script_id,
        locale=row.locale,
        avatar_id=row.avatar_id,
    )


def read_tables(
    scripts: Given, avatars: Given, asked: Asked, *, folder: str | None = None
) -> Tables:
    """Both tables, understood and joined.

    `folder` is what relative addresses are relative to; without, it is each table's own folder,
    and the current one for DataFrames.
    """
    spoken = scripts_sheet(read_source(SCRIPTS, scripts, folder=folder), asked.option_names)
    shown = avatars_sheet(read_source(AVATARS, avatars, folder=folder), asked.option_names)
    return Tables(
        scripts=spoken, avatars=shown, lines=join(spoken, shown, asked.variants), asked=asked
    )
