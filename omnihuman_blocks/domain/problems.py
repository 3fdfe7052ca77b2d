"""What the tables show to be wrong with a line -> the words for it: column, reason, remedy.

`edges/tables.py` finds these by looking at whole columns; what they mean is said here.
"""

from __future__ import annotations

from dataclasses import dataclass

from omnihuman_blocks.domain.row import AVATARS, SCRIPTS

SHOWN_CHARS = 80


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a line is rejected, without the line."""

    column: str | None
    reason: str
    remedy: str


def short(value: object) -> str:
    """Enough of a cell to recognise it."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"


def missing(column: str) -> Problem:
    """An empty cell where a line cannot do without."""
    return Problem(
        column=column, reason=f"`{column}` is empty.", remedy="Fill it in, or remove the row."
    )


def no_avatar_named() -> Problem:
    """In a table that names avatars, an empty cell is taken for a slip: all of them cost money."""
    return Problem(
        column="avatar_id",
        reason="`avatar_id` is empty in a table that names avatars.",
        remedy="Name an avatar; without that column every script meets every avatar.",
    )


def not_exact(column: str) -> Problem:
    """A cell that cannot be read as what the column holds."""
    return Problem(
        column=column,
        reason=f"`{column}` cannot be read exactly: it is no valid text and no whole number.",
        remedy="Store it as text in UTF-8.",
    )


def no_flag(column: str, value: object) -> Problem:
    """A cell that is neither yes nor no."""
    return Problem(
        column=column,
        reason=f"`{column}` is {short(repr(value))}.",
        remedy="Write true or false.",
    )


def no_locale(column: str, reason: str) -> Problem:
    """A cell that names no language."""
    return Problem(
        column=column,
        reason=reason,
        remedy="Write a BCP-47 tag such as `de` or `pt-BR`.",
    )


def unknown_avatar(avatar_id: str) -> Problem:
    """A script that names an avatar that is not there."""
    return Problem(
        column="avatar_id",
        reason=f"Table avatars has no `{short(avatar_id)}`.",
        remedy="Add it there, or name another.",
    )


def rejected_avatar(avatar_id: str, number: int) -> Problem:
    """A script that names an avatar whose own line was rejected."""
    return Problem(
        column="avatar_id",
        reason=f"Avatar `{short(avatar_id)}` was rejected itself (avatars row {number}).",
        remedy="Mend that row.",
    )


def not_admitted(locale: str, avatar_id: str) -> Problem:
    """A script whose avatar does not speak its locale."""
    return Problem(
        column="locale",
        reason=f"Avatar `{short(avatar_id)}` does not admit locale `{locale}`.",
        remedy="Add it to the avatar's `locales`, or name another avatar.",
    )


def nobody_admits(locale: str) -> Problem:
    """A script that no avatar speaks."""
    return Problem(
        column="locale",
        reason=f"No avatar admits locale `{locale}`.",
        remedy="Add it to the `locales` of an avatar.",
    )


def said_twice(table: str, first: int) -> Problem:
    """A second line with the identity of an earlier one that says something else."""
    column = {SCRIPTS: "script_id", AVATARS: "avatar_id"}[table]
    return Problem(
        column=column,
        reason=f"Row {first} of this table has the same identity and says something else.",
        remedy=f"Give one of them another `{column}`, or remove it.",
    )


def broken_line(expected: int, found: int) -> Problem:
    """A line of a CSV file with more or fewer cells than the header."""
    return Problem(
        column=None,
        reason=f"The line has {found} cells where the header names {expected}.",
        remedy="Put cells that hold the separator or a quote into double quotes.",
    )
