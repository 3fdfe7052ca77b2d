"""A row and what is wrong with it -> a rejection that names the cell to mend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from omnihuman_blocks.domain.job import MediaKind
from omnihuman_blocks.domain.limits import COLUMNS
from omnihuman_blocks.domain.row import AVATARS, OPTIONS, SCRIPTS, Rejection, Row
from omnihuman_blocks.errors import InvalidRow

TABLES = (SCRIPTS, AVATARS, OPTIONS)
OF_AVATARS = (COLUMNS[MediaKind.IMAGE], COLUMNS[MediaKind.MASK])


def rejection(row: Row, problem: InvalidRow) -> Rejection:
    """The problem, at its place in the tables or among the options of the invocation."""
    table = _table_of(row, problem.column)
    bare = Rejection(
        table=table,
        number={SCRIPTS: row.script_row, AVATARS: row.avatar_row}.get(table),
        column=problem.column,
        reason=problem.message,
        remedy="",
        script_id=row.script_id,
        locale=row.locale,
        avatar_id=row.avatar_id,
        variant=row.variant,
    )
    return replace(bare, remedy=f"Mend {bare.where}, and run it again.")


@dataclass(frozen=True, kw_only=True)
class Mend:
    """One problem of one cell, and how many rows of the catalogue wait for it to be mended."""

    rejection: Rejection
    """As the first of these rows has it."""
    rows: int


def to_mend(rejections: Iterable[Rejection]) -> tuple[Mend, ...]:
    """Every problem once, in the order of the tables and of their rows."""
    first: dict[tuple[str, str], Rejection] = {}
    waiting: Counter[tuple[str, str]] = Counter()
    for one in rejections:
        problem = (one.where, one.message)
        first.setdefault(problem, one)
        waiting[problem] += 1
    found = (Mend(rejection=one, rows=waiting[problem]) for problem, one in first.items())
    return tuple(sorted(found, key=lambda mend: _place(mend.rejection)))


def _place(one: Rejection) -> tuple[int, int, str]:
    return TABLES.index(one.table), one.number or 0, one.column or ""


def _table_of(row: Row, column: str | None) -> str:
    if column in OF_AVATARS:
        return AVATARS
    if column is not None and (column in row.wishes or column == "provider"):
        return row.wished_in.get(column, OPTIONS)
    return row.wished_in.get(column or "", SCRIPTS)
