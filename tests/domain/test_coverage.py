"""What is covered is told in numbers that add up, and in a table that people can read."""

from __future__ import annotations

import re

from omnihuman_blocks.domain.coverage import Covered, Square, coverage_json, coverage_text

DONE, STALE, MISSING, REJECTED = (
    Covered.DONE,
    Covered.STALE,
    Covered.MISSING,
    Covered.REJECTED,
)
SQUARES = [
    Square(locale="de-DE", avatar_id="anna", cells={DONE: 1_200, STALE: 2}),
    Square(locale="de-DE", avatar_id="ben", cells={DONE: 3, MISSING: 1, REJECTED: 1}),
    Square(locale="ar", avatar_id="ben", cells={MISSING: 4}),
    Square(locale=None, avatar_id=None, cells={REJECTED: 1}),
]


def test_counts_add_up_in_every_direction() -> None:
    """All cells, those of a locale, those of an avatar."""
    told = coverage_json(SQUARES)
    assert {name: told[name] for name in ("done", "stale", "missing", "rejected")} == {
        "done": 1_203,
        "stale": 2,
        "missing": 5,
        "rejected": 2,
    }
    assert told["by_locale"] == {
        "(none)": {"done": 0, "stale": 0, "missing": 0, "rejected": 1},
        "ar": {"done": 0, "stale": 0, "missing": 4, "rejected": 0},
        "de-DE": {"done": 1_203, "stale": 2, "missing": 1, "rejected": 1},
    }
    assert told["by_avatar"]["ben"] == {"done": 3, "stale": 0, "missing": 5, "rejected": 1}  # type: ignore[index, call-overload]


def test_people_see_locales_beside_avatars() -> None:
    """And what is not done, by name."""
    title, *table = coverage_text(SQUARES)
    assert title.startswith("Coverage")
    cells = [re.split(r"\s{2,}", line.strip()) for line in table]
    assert cells == [
        ["locale", "all", "(none)", "anna", "ben"],
        ["(none)", "0/1 1 rejected", "0/1 1 rejected", "-", "-"],
        ["ar", "0/4 4 missing", "-", "-", "0/4 4 missing"],
        [
            "de-DE",
            "1,203/1,207 2 stale, 1 missing, 1 rejected",
            "-",
            "1,200/1,202 2 stale",
            "3/5 1 missing, 1 rejected",
        ],
    ]


def test_of_very_many_avatars_only_the_sums_are_shown() -> None:
    """A table wider than a screen is none."""
    many = [Square(locale="de", avatar_id=f"a{n}", cells={MISSING: 1}) for n in range(7)]
    assert coverage_text(many)[1:] == ["  locale  all", "  de      0/7 7 missing"]


def test_where_all_is_done_there_is_nothing_to_tell() -> None:
    """Nor where there is nothing at all."""
    assert coverage_text([Square(locale="de", avatar_id="anna", cells={DONE: 3})]) == []
    assert coverage_text([]) == []
