"""Two sheets in, the lines of the catalogue out, as numbers: which script, avatar and take.

With `avatar_id` in scripts the tables are joined on it; without, every script meets every avatar
whose locales admit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omnihuman_blocks.domain.locales import admits
from omnihuman_blocks.domain.problems import (
    Problem,
    no_avatar_named,
    nobody_admits,
    not_admitted,
    rejected_avatar,
    said_twice,
    unknown_avatar,
)
from omnihuman_blocks.domain.row import AVATARS, SCRIPTS
from omnihuman_blocks.edges.sheets import Sheet
from omnihuman_blocks.errors import CannotStart

NONE = -1
MOST_LINES = 20_000_000
"""More than this is a join gone wrong: at a dollar each it is a sum that nobody means to spend."""

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """One entry for each line of the catalogue."""

    script: Index
    """-1 where a line of avatars stands alone."""
    avatar: Index
    """-1 where a script found none."""
    variant: Index
    """Counted from 1; 0 where the line is rejected."""
    refused: dict[int, tuple[str, int, tuple[Problem, ...]]]
    """By line: the table, the number of its row there, and what is wrong."""
    merged: int
    """Rows that say the same as an earlier one."""


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    script: Index
    avatar: Index


def join(scripts: Sheet, avatars: Sheet, variants: int) -> Lines:
    """Every line, in the order of scripts, then avatars, then takes."""
    identity = ["script_id", "locale"] + ["avatar_id"] * scripts.has("avatar_id")
    if scripts.has("avatar_id"):
        for index in _indexes(pc.is_null(scripts.ours["avatar_id"])):
            problems = scripts.problems.setdefault(index, [])
            if "avatar_id" not in {problem.column for problem in problems}:
                problems.append(no_avatar_named())
    script_merged = _find_repeats(scripts, identity, SCRIPTS)
    avatar_merged = _find_repeats(avatars, ["avatar_id"], AVATARS)
    standing = _standing(scripts, script_merged)
    shown = _standing(avatars, avatar_merged)
    meet = _named if scripts.has("avatar_id") else _everyone
    pairs = meet(scripts, avatars, standing, shown)
    merged = int(np.count_nonzero(script_merged) + np.count_nonzero(avatar_merged))
    return _in_order(scripts, avatars, pairs, variants, merged)


# --- one identity, one row --------------------------------------------------------------------


def _find_repeats(sheet: Sheet, identity: list[str], table: str) -> npt.NDArray[np.bool_]:
    """Where a row repeats an earlier one; rows that contradict it get a problem instead."""
    lines = _standing(sheet, np.zeros(len(sheet), dtype=bool))
    merged = np.zeros(len(sheet), dtype=bool)
    if not len(lines):
        return merged
    _, first, group = np.unique(
        _codes(sheet, identity)[lines], return_index=True, return_inverse=True
    )
    earliest = lines[first][group]
    again = lines[earliest != lines]
    origin = earliest[earliest != lines]
    same = _same(sheet, again, origin)
    merged[again[same]] = True
    for index, earlier in zip(again[~same].tolist(), origin[~same].tolist(), strict=True):
        sheet.problems[index] = [said_twice(table, int(sheet.numbers[earlier]))]
    return merged


def _codes(sheet: Sheet, columns: list[str]) -> Index:
    """A number for each row, the same for the same values."""
    codes = np.zeros(len(sheet), dtype=np.int64)
    for column in columns:
        more = _code(sheet.ours[column])
        largest = int(more.max(initial=0)) + 2
        if largest > len(sheet):  # all are different already
            return more
        _, codes = np.unique(codes * largest + more + 1, return_inverse=True)
    return codes


def _code(column: pa.ChunkedArray) -> Index:
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(encoded.indices, NONE)).astype(np.int64)


def _same(sheet: Sheet, left: Index, right: Index) -> npt.NDArray[np.bool_]:
    """Whether two rows say the same in every column that matters."""
    same = np.ones(len(left), dtype=bool)
    for column in sheet.ours.columns:
        one, other = column.take(pa.array(left)), column.take(pa.array(right))
        if pa.types.is_list(column.type):
            equal = np.array(
                [a == b for a, b in zip(one.to_pylist(), other.to_pylist(), strict=True)]
            )
            same &= equal.astype(bool)
            continue
        both_null = pc.and_(pc.is_null(one), pc.is_null(other))
        equal = pc.or_(pc.fill_null(pc.equal(one, other), fill_value=False), both_null)
        same &= np.asarray(equal)
    return same


def _standing(sheet: Sheet, merged: npt.NDArray[np.bool_]) -> Index:
    usable = ~merged
    usable[list(sheet.problems)] = False
    return np.flatnonzero(usable)


# --- who meets whom ---------------------------------------------------------------------------


def _named(scripts: Sheet, avatars: Sheet, standing: Index, shown: Index) -> _Pairs:
    """Each script with the avatar that it names."""
    ids = avatars.ours["avatar_id"]
    known = ids.take(pa.array(shown))
    wanted = scripts.ours["avatar_id"].take(pa.array(standing))
    found = np.asarray(pc.fill_null(pc.index_in(wanted, value_set=known), NONE)).astype(np.int64)
    rejected = {ids[index].as_py(): index for index in sorted(avatars.problems, reverse=True)}
    for index, avatar_id in _at(wanted, standing, found == NONE):
        problem = unknown_avatar(avatar_id)
        if avatar_id in rejected:
            problem = rejected_avatar(avatar_id, int(avatars.numbers[rejected[avatar_id]]))
        scripts.problems[index] = [problem]
    script, avatar = standing[found != NONE], shown[found[found != NONE]]
    admitted = _admission(scripts, avatars).of(script, avatar)
    locales = scripts.ours["locale"]
    for index, other in zip(script[~admitted].tolist(), avatar[~admitted].tolist(), strict=True):
        scripts.problems[index] = [not_admitted(locales[index].as_py(), ids[other].as_py())]
    return _Pairs(script=script[admitted], avatar=avatar[admitted])


def _everyone(scripts: Sheet, avatars: Sheet, standing: Index, shown: Index) -> _Pairs:
    """Each script with every avatar that admits its locale."""
    admission = _admission(scripts, avatars)
    guests = [shown[row[admission.range_of[shown]]] for row in admission.admitted]
    locale = admission.locale_of[standing]
    counts = np.array([len(guest) for guest in guests] or [0], dtype=np.int64)
    for index, tag in _at(
        scripts.ours["locale"].take(pa.array(standing)), standing, counts[locale] == 0
    ):
        scripts.problems[index] = [nobody_admits(tag)]
    many = counts[locale]
    _refuse_too_many(int(many.sum()))
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
    flat = np.concatenate([*guests, np.empty(0, dtype=np.int64)])
    within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return _Pairs(
        script=np.repeat(standing, many), avatar=flat[np.repeat(begins[locale], many) + within]
    )


@dataclass(frozen=True, kw_only=True)
class _Admission:
    """Which locales which sets of ranges admit, each combination judged once."""

    locale_of: Index
    range_of: Index
    admitted: npt.NDArray[np.bool_]

    def of(self, script: Index, avatar: Index) -> npt.NDArray[np.bool_]:
        return self.admitted[self.locale_of[script], self.range_of[avatar]]


def _admission(scripts: Sheet, avatars: Sheet) -> _Admission:
    locales = scripts.ours["locale"].combine_chunks().dictionary_encode().dictionary
    ranges = [tuple(value or ()) for value in avatars.values("locales")]
    distinct = {value: code for code, value in enumerate(dict.fromkeys(ranges))}
    return _Admission(
        locale_of=_code(scripts.ours["locale"]),
        range_of=np.array([distinct[value] for value in ranges], dtype=np.int64),
        admitted=np.array(
            [[admits(value, locale) for value in distinct] for locale in locales.to_pylist()],
            dtype=bool,
        ).reshape(len(locales), len(distinct)),
    )


# --- order ------------------------------------------------------------------------------------


def _in_order(scripts: Sheet, avatars: Sheet, pairs: _Pairs, variants: int, merged: int) -> Lines:
    alone = list(_alone(scripts, avatars))
    count = len(pairs.script) * variants
    _refuse_too_many(count)
    script = np.concatenate([np.repeat(pairs.script, variants), [line[0] for line in alone]])
    avatar = np.concatenate([np.repeat(pairs.avatar, variants), [line[1] for line in alone]])
    takes = np.tile(np.arange(1, variants + 1), len(pairs.script))
    variant = np.concatenate([takes, np.zeros(len(alone))])
    # A line of scripts goes where its row stands, one of avatars alone after all scripts.
    where = np.concatenate(
        [scripts.numbers[np.repeat(pairs.script, variants)], [line[2] for line in alone]]
    )
    order = np.lexsort((variant, avatar, where))
    refused = {}
    for place in np.flatnonzero(order >= count).tolist():
        _, _, _, table, number, problems = alone[order[place] - count]
        refused[place] = (table, number, problems)
    return Lines(
        script=script[order].astype(np.int64),
        avatar=avatar[order].astype(np.int64),
        variant=variant[order].astype(np.int64),
        refused=refused,
        merged=merged,
    )


def _alone(
    scripts: Sheet, avatars: Sheet
) -> Iterator[tuple[int, int, int, str, int, tuple[Problem, ...]]]:
    last = np.iinfo(np.int64).max
    for index, problems in scripts.problems.items():
        number = int(scripts.numbers[index])
        yield index, NONE, number, SCRIPTS, number, tuple(problems)
    for number, problem in scripts.broken:
        yield NONE, NONE, number, SCRIPTS, number, (problem,)
    for index, problems in avatars.problems.items():
        yield NONE, index, last, AVATARS, int(avatars.numbers[index]), tuple(problems)
    for number, problem in avatars.broken:
        yield NONE, NONE, last, AVATARS, number, (problem,)


def _refuse_too_many(count: int) -> None:
    if count > MOST_LINES:
        raise CannotStart(
            f"The tables make {count:,} rows together; {MOST_LINES:,} are the most. "
            "Name an `avatar_id` in each script, or give avatars their `locales`."
        )


def _indexes(mask: pa.ChunkedArray) -> list[int]:
    return [int(index) for index in np.flatnonzero(np.asarray(mask))]


def _at(
    column: pa.ChunkedArray, lines: Index, mask: npt.NDArray[np.bool_]
) -> Iterator[tuple[int, str]]:
    """Line and value where the mask is true."""
    chosen = np.flatnonzero(mask)
    values = column.take(pa.array(chosen)).to_pylist()
    return zip(lines[chosen].tolist(), values, strict=True)
