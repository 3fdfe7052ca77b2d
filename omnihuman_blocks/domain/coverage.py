"""Counts of rows by locale and avatar -> what is covered, for people and programs.

A cell is a script in a locale spoken by an avatar. It is *stale* where a finished video is there
and the text, the source or the media have moved on since it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from omnihuman_blocks.domain.wire import Record

NOBODY = "(none)"
MOST_AVATARS = 6
"""More columns than this nobody reads on a terminal."""


class Covered(StrEnum):
    """How a cell stands, in the order in which a cell of several takes is judged."""

    REJECTED = "rejected"
    MISSING = "missing"
    STALE = "stale"
    DONE = "done"


class Because(StrEnum):
    """Why a finished video is stale, what is plainest first."""

    TEXT = "text"
    SOURCE = "source_hash"
    MEDIA = "media"
    """Audio, picture or options."""


@dataclass(frozen=True, kw_only=True)
class Square:
    """All scripts in one locale with one avatar."""

    locale: str | None
    avatar_id: str | None
    cells: Mapping[Covered, int]

    @property
    def total(self) -> int:
        return sum(self.cells.values())


def coverage_json(squares: Sequence[Square]) -> Record:
    """What `status --json` tells under `coverage`."""
    return {
        **_counts(squares),
        "by_locale": {
            locale: _counts([one for one in squares if (one.locale or NOBODY) == locale])
            for locale in _names(one.locale for one in squares)
        },
        "by_avatar": {
            avatar: _counts([one for one in squares if (one.avatar_id or NOBODY) == avatar])
            for avatar in _names(one.avatar_id for one in squares)
        },
    }


def coverage_text(squares: Sequence[Square]) -> list[str]:
    """A table of locales and avatars; nothing where all is done."""
    if all(one.cells.get(Covered.DONE, 0) == one.total for one in squares):
        return []
    avatars = _names(one.avatar_id for one in squares)
    shown = avatars if len(avatars) <= MOST_AVATARS else []
    lines = [["locale", "all", *shown]]
    for locale in _names(one.locale for one in squares):
        here = [one for one in squares if (one.locale or NOBODY) == locale]
        by_avatar = ([one for one in here if (one.avatar_id or NOBODY) == name] for name in shown)
        lines.append([locale, _cell(here), *(_cell(some) for some in by_avatar)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return ["Coverage (done of all; what is not done):", *(f"  {line}" for line in table)]


def _names(some: Iterable[str | None]) -> list[str]:
    return sorted({one or NOBODY for one in some})


def _counts(squares: Iterable[Square]) -> Record:
    counts = dict.fromkeys(Covered, 0)
    for square in squares:
        for covered, count in square.cells.items():
            counts[covered] += count
    return {covered.value: counts[covered] for covered in reversed(Covered)}


def _cell(squares: Sequence[Square]) -> str:
    """`12/14 1 stale, 1 missing`"""
    total = sum(one.total for one in squares)
    if not total:
        return "-"
    counts = {name: sum(one.cells.get(name, 0) for one in squares) for name in Covered}
    rest = ", ".join(
        f"{counts[name]:,} {name.value}"
        for name in reversed(Covered)
        if name is not Covered.DONE and counts[name]
    )
    return f"{counts[Covered.DONE]:,}/{total:,} {rest}".rstrip()
