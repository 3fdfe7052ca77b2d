"""A table as it was read in, a sheet out: our columns understood, the others carried untouched.

Cells that mean nothing become problems of their line; a column that cannot mean anything, or is
missing, means that nothing can start.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omnihuman_blocks.domain.locales import canonical, canonical_range
from omnihuman_blocks.domain.problems import (
    Problem,
    broken_line,
    missing,
    no_flag,
    no_locale,
    not_exact,
)
from omnihuman_blocks.edges import cells
from omnihuman_blocks.edges.sources import Numbers, Source
from omnihuman_blocks.errors import CannotStart, InvalidRow

SCRIPT_COLUMNS = {
    "script_id": cells.ident,
    "locale": cells.trimmed,
    "avatar_id": cells.ident,
    "audio_uri": cells.trimmed,
    "text": cells.text,
    "voice": cells.ident,
    "provider": cells.trimmed,
}
AVATAR_COLUMNS = {
    "avatar_id": cells.ident,
    "image_uri": cells.trimmed,
    "mask_uri": cells.trimmed,
    "locales": cells.tags,
    "voice": cells.ident,
    "provider": cells.trimmed,
}
ENABLED = "enabled"
ADDRESSES = ("audio_uri", "image_uri", "mask_uri")
ABSOLUTE = r"^([A-Za-z][A-Za-z0-9+.-]*://|/)"

Problems = dict[int, list[Problem]]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The lines of one table that are enabled."""

    name: str
    numbers: Numbers
    ours: pa.Table
    carried: pa.Table
    problems: Problems
    """By line, counted from 0."""
    broken: tuple[tuple[int, Problem], ...]
    """Lines of a CSV file that are no rows, by number."""
    disabled: int

    def __len__(self) -> int:
        return len(self.numbers)

    def has(self, column: str) -> bool:
        """Whether the table came with this column."""
        return column in self.ours.column_names

    def values(self, column: str) -> list[Any]:
        """One of our columns as Python values; all absent where the table has none."""
        return self.ours[column].to_pylist() if self.has(column) else [None] * len(self)


def scripts_sheet(source: Source, options: frozenset[str]) -> Sheet:
    """Table scripts."""
    _require(source, "script_id", "locale")
    if not {"audio_uri", "text"} & set(source.table.column_names):
        raise CannotStart(f"{source.title} has neither `audio_uri` nor `text`. Add one of them.")
    ours, problems = _understand(source, SCRIPT_COLUMNS, options)
    ours, wrong = _with_locales(ours)
    _add(problems, wrong)
    for column in ("script_id", "locale"):
        _add(problems, _absent(ours, column, problems))
    return _sheet(source, ours, problems)


def avatars_sheet(source: Source, options: frozenset[str]) -> Sheet:
    """Table avatars."""
    _require(source, "avatar_id", "image_uri")
    ours, problems = _understand(source, AVATAR_COLUMNS, options)
    ours, wrong = _with_ranges(ours)
    _add(problems, wrong)
    _add(problems, _absent(ours, "avatar_id", problems))
    return _sheet(source, ours, problems)


# --- columns ----------------------------------------------------------------------------------


def _require(source: Source, *columns: str) -> None:
    found = source.table.column_names
    for column in columns:
        if column not in found:
            _refuse_lookalike(source, column)
            shown = ", ".join(f"`{name}`" for name in found[:30])
            raise CannotStart(
                f"{source.title} has no column `{column}`. Add it, or rename one of {shown}."
            )


def _refuse_lookalike(source: Source, column: str) -> None:
    """`Prompt` beside no `prompt` would be carried and not obeyed: a video with another content."""
    for name in source.table.column_names:
        if name != column and _folded(name) == _folded(column):
            raise CannotStart(
                f"{source.title}: column `{name}` looks like `{column}`. Rename it to `{column}`, "
                "or to something else if it means something else."
            )


def _folded(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _understand(
    source: Source,
    columns: Mapping[str, Callable[[pa.ChunkedArray], cells.Understood]],
    options: frozenset[str],
) -> tuple[pa.Table, Problems]:
    wanted = {**dict.fromkeys(sorted(options), cells.wish), **columns, ENABLED: cells.flag}
    ours: dict[str, pa.ChunkedArray] = {}
    problems: Problems = {}
    for column, understand in wanted.items():
        if column not in source.table.column_names:
            _refuse_lookalike(source, column)
            continue
        written = source.table[column]
        try:
            ours[column], bad = understand(written)
        except cells.WrongType as wrong:
            raise CannotStart(
                f"{source.title}: column `{column}` holds {written.type} where {wrong} is wanted. "
                "Convert it."
            ) from None
        for index in np.flatnonzero(bad):
            shown = no_flag(column, written[index].as_py()) if column == ENABLED else None
            problems.setdefault(int(index), []).append(shown or not_exact(column))
    for column in ADDRESSES:
        if column in ours:
            ours[column] = absolute(ours[column], source.folder)
    return pa.table(ours), problems


def absolute(column: pa.ChunkedArray, folder: str) -> pa.ChunkedArray:
    """Addresses that lead somewhere from everywhere; relative ones begin in the table's folder."""
    root, separator = (pa.scalar(t, pa.large_string()) for t in (folder.rstrip("/"), "/"))
    joined = pc.binary_join_element_wise(root, column, separator)
    found = pc.if_else(pc.match_substring_regex(column, ABSOLUTE), column, joined)
    if "://" in folder and pc.any(pc.match_substring(found, "/.")).as_py():
        found, _ = cells.by_value(found, _without_dots)  # object storage knows no `..`
    return found


def _without_dots(address: str) -> str:
    scheme, separator, path = address.partition("://")
    return address if not separator else f"{scheme}://{posixpath.normpath(path)}"


def _with_locales(ours: pa.Table) -> tuple[pa.Table, Problems]:
    written = ours["locale"]
    meant, bad = cells.by_value(written, lambda tag: _reading(canonical, tag)[0])
    problems: Problems = {}
    for index in np.flatnonzero(bad):
        reason = _reading(canonical, written[index].as_py())[1]
        problems[int(index)] = [no_locale("locale", reason)]
    return ours.set_column(ours.column_names.index("locale"), "locale", meant), problems


def _with_ranges(ours: pa.Table) -> tuple[pa.Table, Problems]:
    if "locales" not in ours.column_names:
        return ours, {}
    problems: Problems = {}
    meant: list[list[str]] = []
    for index, written in enumerate(ours["locales"].to_pylist()):
        read = [_reading(canonical_range, tag) for tag in written or () if tag and tag.strip()]
        meant.append(sorted({tag for tag, _ in read if tag is not None}))
        wrong = [no_locale("locales", reason) for tag, reason in read if tag is None]
        if wrong:
            problems[index] = wrong
    column = pa.chunked_array([pa.array(meant, pa.list_(pa.large_string()))])
    return ours.set_column(ours.column_names.index("locales"), "locales", column), problems


def _reading(read: Callable[[str], str], tag: str) -> tuple[str | None, str]:
    try:
        return read(tag), ""
    except InvalidRow as wrong:
        return None, wrong.message


# --- lines ------------------------------------------------------------------------------------


def _absent(ours: pa.Table, column: str, known: Problems) -> Problems:
    """Empty cells that must not be empty, unless they are empty because they were not read."""
    empty = np.flatnonzero(np.asarray(pc.is_null(ours[column])))
    return {
        int(index): [missing(column)]
        for index in empty
        if column not in {problem.column for problem in known.get(int(index), ())}
    }


def _add(problems: Problems, more: Problems) -> None:
    for index, found in more.items():
        problems.setdefault(index, []).extend(found)


def _sheet(source: Source, ours: pa.Table, problems: Problems) -> Sheet:
    known = [*ours.column_names]
    carried = source.table.drop_columns(
        [name for name in known if name in source.table.schema.names]
    )
    numbers, disabled = source.numbers, 0
    if ENABLED in known:
        enabled = np.asarray(pc.fill_null(ours[ENABLED], fill_value=True))
        disabled = int(np.count_nonzero(~enabled))
        ours, carried = ours.filter(pa.array(enabled)), carried.filter(pa.array(enabled))
        numbers = numbers[enabled]
        place = np.cumsum(enabled) - 1
        problems = {int(place[i]): found for i, found in problems.items() if enabled[i]}
        ours = ours.drop_columns([ENABLED])
    return Sheet(
        name=source.name,
        numbers=numbers,
        ours=ours.combine_chunks(),
        carried=carried,
        problems=problems,
        broken=tuple(_broken(source)),
        disabled=disabled,
    )


def _broken(source: Source) -> Iterable[tuple[int, Problem]]:
    for line in source.broken:
        yield line.number, broken_line(line.expected, line.found)
