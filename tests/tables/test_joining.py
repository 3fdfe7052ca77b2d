"""Scripts meet avatars; the lines keep the order of the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from omnihuman_blocks.domain.row import RejectedRow, Rejection, Row
from omnihuman_blocks.edges import joining
from omnihuman_blocks.edges.tables import Tables
from omnihuman_blocks.errors import CannotStart

Read = Callable[..., Tables]
Rows = Callable[[Tables], list[Row]]
Rejections = Callable[[Tables], list[Rejection]]
Columns = dict[str, list[Any]]


def ids(rows: list[Row]) -> list[tuple[str, str, str]]:
    return [(row.script_id, row.locale, row.avatar_id) for row in rows]


def test_without_avatar_id_every_script_meets_every_avatar(read: Read, rows: Rows) -> None:
    """In the order of scripts, then of avatars."""
    found = rows(read())
    assert ids(found) == [
        ("intro", "de-DE", "anna"),
        ("intro", "de-DE", "ben"),
        ("outro", "pt-BR", "anna"),
        ("outro", "pt-BR", "ben"),
    ]
    assert [row.place for row in found] == [0, 1, 2, 3]
    assert [(row.script_row, row.avatar_row) for row in found] == [(1, 1), (1, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize(
    "locales", [[["de"], ["pt", "fr"]], ["de", "pt;fr"], ["de, en", "pt_BR"], [["de"], ["*", ""]]]
)
def test_an_avatar_meets_only_scripts_that_its_locales_admit(
    read: Read, rows: Rows, avatars: Columns, locales: list[Any]
) -> None:
    """As a list or as a text; `pt` admits `pt-BR`, and nothing admits everything."""
    found = ids(rows(read(None, avatars | {"locales": locales})))
    wanted = [("intro", "de-DE", "anna"), ("outro", "pt-BR", "ben")]
    assert found == (
        [wanted[0], ("intro", "de-DE", "ben"), wanted[1]] if "*" in locales[1] else wanted
    )


def test_an_avatar_without_locales_admits_all(read: Read, rows: Rows, avatars: Columns) -> None:
    """Null and an empty list say the same."""
    assert len(rows(read(None, avatars | {"locales": [None, []]}))) == 4


def test_a_script_that_no_avatar_admits_is_rejected(
    read: Read, rejections: Rejections, avatars: Columns
) -> None:
    """It would otherwise vanish, and nobody would miss it."""
    (rejection,) = rejections(read(None, avatars | {"locales": ["de", "de"]}))
    assert (rejection.number, rejection.column, rejection.script_id) == (2, "locale", "outro")
    assert "No avatar admits locale `pt-BR`" in rejection.reason


def test_with_avatar_id_the_tables_are_joined_on_it(
    read: Read, rows: Rows, scripts: Columns
) -> None:
    """Each script with its own avatar, and no other."""
    found = rows(read(scripts | {"avatar_id": ["ben", "anna"]}))
    assert ids(found) == [("intro", "de-DE", "ben"), ("outro", "pt-BR", "anna")]
    assert [row.image_uri for row in found] == ["/tables/ben.png", "/tables/anna.png"]


def test_an_unknown_avatar_is_rejected(
    read: Read, rows: Rows, rejections: Rejections, scripts: Columns
) -> None:
    """And stops no other row."""
    tables = read(scripts | {"avatar_id": ["nobody", "anna"]})
    (rejection,) = rejections(tables)
    assert (rejection.table, rejection.number, rejection.column) == ("scripts", 1, "avatar_id")
    assert (rejection.script_id, rejection.avatar_id) == ("intro", "nobody")
    assert "no `nobody`" in rejection.reason
    assert ids(rows(tables)) == [("outro", "pt-BR", "anna")]


def test_an_avatar_that_does_not_admit_the_locale_is_rejected(
    read: Read, rejections: Rejections, scripts: Columns, avatars: Columns
) -> None:
    """Naming it does not make it speak."""
    tables = read(scripts | {"avatar_id": ["anna", "anna"]}, avatars | {"locales": ["de", None]})
    (rejection,) = rejections(tables)
    assert (rejection.number, rejection.column) == (2, "locale")
    assert "`anna` does not admit locale `pt-BR`" in rejection.reason


def test_an_empty_avatar_id_is_rejected_where_others_are_named(
    read: Read, rejections: Rejections, scripts: Columns
) -> None:
    """It is taken for a slip: to meet all avatars instead would cost all of them."""
    tables = read(scripts | {"avatar_id": ["anna", None]})
    (rejection,) = rejections(tables)
    assert (rejection.number, rejection.column) == (2, "avatar_id")
    assert "every avatar" in rejection.remedy
    assert len(tables) == 2


def test_a_script_of_a_rejected_avatar_is_told_so(
    read: Read, rejections: Rejections, scripts: Columns, avatars: Columns
) -> None:
    """With the row that has to be mended."""
    tables = read(
        scripts | {"avatar_id": ["anna", "ben"]}, avatars | {"locales": ["de", "klingonish"]}
    )
    found = rejections(tables)
    assert [(one.table, one.number, one.column) for one in found] == [
        ("scripts", 2, "avatar_id"),
        ("avatars", 2, "locales"),
    ]
    assert "(avatars row 2)" in found[0].reason


def test_variants_are_lines_of_their_own(read: Read, rows: Rows) -> None:
    """N takes of each row, counted from 1."""
    found = rows(read(variants=3))
    assert len(found) == 12
    assert [row.variant for row in found[:4]] == [1, 2, 3, 1]
    assert len({row.identity for row in found}) == 12


def test_the_same_row_twice_is_one_row(read: Read, rows: Rows, scripts: Columns) -> None:
    """The same in every column that matters, whatever the others say; `pt_BR` is `pt-BR`."""
    twice = {name: [*cells, cells[1]] for name, cells in scripts.items()}
    twice |= {"locale": ["de-DE", "pt_BR", "pt-BR"], "note": ["a", "b", "c"]}
    tables = read(twice)
    assert (len(tables), tables.lines.merged) == (4, 1)
    assert [row.script_row for row in rows(tables)] == [1, 1, 2, 2]


def test_a_second_row_that_says_something_else_is_rejected(
    read: Read, rows: Rows, rejections: Rejections, scripts: Columns
) -> None:
    """The first one stands; which of them is meant is not ours to guess."""
    twice = {name: [*cells, cells[1]] for name, cells in scripts.items()}
    tables = read(twice | {"prompt": [None, "wave", None]})
    (rejection,) = rejections(tables)
    assert (rejection.number, rejection.column) == (3, "script_id")
    assert "Row 2 of this table" in rejection.reason
    assert [row.script_row for row in rows(tables)] == [1, 1, 2, 2]


def test_avatars_are_merged_and_rejected_in_the_same_way(
    read: Read, rows: Rows, rejections: Rejections
) -> None:
    """By their id; lists of locales are compared, too."""
    avatars = {
        "avatar_id": ["anna", "anna", "anna"],
        "image_uri": ["a.png", "a.png", "other.png"],
        "locales": [["de"], ["de"], ["de"]],
    }
    tables = read(None, avatars)
    assert tables.lines.merged == 1
    assert [one.number for one in rejections(tables) if one.table == "avatars"] == [3]
    assert ids(rows(tables)) == [("intro", "de-DE", "anna")]


def test_rejections_stand_where_their_rows_stand(read: Read) -> None:
    """One line for each, in the order of the tables; avatars that stand alone come last."""
    tables = read(
        {
            "script_id": [None, "b", "c", "d"],
            "locale": ["de", "german", "de", None],
            "audio_uri": ["x"] * 4,
        },
        {"avatar_id": [None, "anna"], "image_uri": ["i", "j"]},
    )
    entries = list(tables.entries())
    assert [entry.place for entry in entries] == [0, 1, 2, 3, 4]
    assert [type(entry) for entry in entries] == [
        RejectedRow,
        RejectedRow,
        Row,
        RejectedRow,
        RejectedRow,
    ]
    shown = [
        (one.table, one.number, one.column)
        for entry in entries
        if isinstance(entry, RejectedRow)
        for one in entry.rejections
    ]
    assert shown == [
        ("scripts", 1, "script_id"),
        ("scripts", 2, "locale"),
        ("scripts", 4, "locale"),
        ("avatars", 1, "avatar_id"),
    ]


def test_only_the_lines_that_are_asked_for_are_made(read: Read) -> None:
    """By their places in the catalogue."""
    tables = read()
    assert [entry.place for entry in tables.entries(tables.lines.script.nonzero()[0])] == [2, 3]


def test_tables_that_make_too_many_lines_stop_everything(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A join gone wrong must not be a bill, nor take the memory of the machine."""
    monkeypatch.setattr(joining, "MOST_LINES", 3)
    with pytest.raises(CannotStart, match="4 rows together; 3 are the most"):
        read()
    monkeypatch.setattr(joining, "MOST_LINES", 4)
    with pytest.raises(CannotStart, match="8 rows together"):
        read(variants=2)


def test_tables_in_which_every_line_is_rejected_are_no_error(
    read: Read, rejections: Rejections
) -> None:
    """Each line says what is wrong with it."""
    tables = read(
        {"script_id": ["a"], "locale": ["nothing"], "audio_uri": ["x"]},
        {"avatar_id": [None], "image_uri": ["x"]},
    )
    assert [one.column for one in rejections(tables)] == ["locale", "avatar_id"]
