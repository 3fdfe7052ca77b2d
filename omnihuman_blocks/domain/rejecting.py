"""A row and what is wrong with it -> a rejection that names the cell to mend."""

from __future__ import annotations

from dataclasses import replace

from omnihuman_blocks.domain.job import MediaKind
from omnihuman_blocks.domain.limits import COLUMNS
from omnihuman_blocks.domain.row import AVATARS, OPTIONS, SCRIPTS, Rejection, Row
from omnihuman_blocks.errors import InvalidRow

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


def _table_of(row: Row, column: str | None) -> str:
    if column in OF_AVATARS:
        return AVATARS
    if column is not None and (column in row.wishes or column == "provider"):
        return row.wished_in.get(column, OPTIONS)
    return SCRIPTS
