"""Cells are understood as people mean them, or their row is rejected; ids are data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from omnihuman_blocks.domain.row import Rejection, Row
from omnihuman_blocks.edges.tables import Tables
from omnihuman_blocks.errors import CannotStart

Read = Callable[..., Tables]
Rows = Callable[[Tables], list[Row]]
Rejections = Callable[[Tables], list[Rejection]]
Columns = dict[str, list[Any]]


@pytest.fixture
def one(avatars: Columns) -> Columns:
    """One avatar, so that each script is one row."""
    return {name: cells[:1] for name, cells in avatars.items()}


def with_ids(column: Any) -> dict[str, Any]:
    count = len(column)
    return {"script_id": column, "locale": ["de"] * count, "audio_uri": ["a.wav"] * count}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([7, 8]),
        pa.array([7, 8], pa.uint8()),
        pa.array([7.0, 8.0]),
        pa.array([7.0, 8.0], pa.float32()),
        pa.array([Decimal("7.00"), Decimal("8.00")]),
        pa.array(["7", "8"]),
        pa.array(["7", "8"], pa.large_string()),
        pa.array(["7", "8"], pa.string_view()),
        pa.array(["7", "8"]).dictionary_encode(),
        pa.array([b"7", b"8"]),
    ],
)
def test_ids_are_text_however_they_are_stored(
    read: Read, rows: Rows, one: Columns, column: pa.Array
) -> None:
    """7, 7.0 and `7` are the id `7`."""
    assert [row.script_id for row in rows(read(with_ids(column), one))] == ["7", "8"]


def test_an_id_that_cannot_be_told_exactly_is_rejected(
    read: Read, rows: Rows, rejections: Rejections, one: Columns
) -> None:
    """Half a number, one too large for a float, and what is no number; null is missing."""
    column = pa.array([1.0, 7.5, float(2**60), float("inf"), float("nan"), None])
    tables = read(with_ids(column), one)
    assert [row.script_id for row in rows(tables)] == ["1"]
    found = rejections(tables)
    assert [(one.number, "exactly" in one.reason) for one in found] == [
        (2, True),
        (3, True),
        (4, True),
        (5, False),
        (6, False),
    ]
    assert all("text" in one.remedy for one in found[:3])
    decimals = pa.array([Decimal("7.50"), Decimal("7.00")])
    assert [one.number for one in rejections(read(with_ids(decimals), one))] == [1]


HOSTILE = [
    "../../etc/x",
    "/etc/passwd",
    "a\nb",
    "a\x00b",
    "x" * 10_000,
    "👋🏽",
    "‮evil",  # noqa: PLE2502 - that is what is tested
    "CON",
    "'; DROP TABLE jobs; --",
    "=1+1",
    " spaced ",
    "NA",
    "null",
    "%2e%2e",
]


def test_ids_are_data_and_stay_as_they_are(read: Read, rows: Rows, one: Columns) -> None:
    """Paths, control signs, ten thousand letters, pictures, right to left."""
    found = rows(read(with_ids(HOSTILE), one | {"avatar_id": ["../../anna\n"]}))
    assert [row.script_id for row in found] == HOSTILE
    assert {row.avatar_id for row in found} == {"../../anna\n"}


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n"])
@pytest.mark.parametrize("column", ["script_id", "locale"])
def test_a_required_cell_that_is_blank_is_rejected(
    read: Read, rejections: Rejections, scripts: Columns, column: str, blank: str | None
) -> None:
    """Once, with its column and whatever is known of the row."""
    (rejection,) = rejections(read(scripts | {column: [scripts[column][0], blank]}))
    assert (rejection.number, rejection.column) == (2, column)
    assert rejection.reason == f"`{column}` is empty."
    assert rejection.script_id == (None if column == "script_id" else "outro")


def test_blank_cells_that_are_not_required_are_absent(
    read: Read, rows: Rows, one: Columns, scripts: Columns
) -> None:
    """Neither audio nor text is for planning to judge."""
    found = rows(read(scripts | {"audio_uri": ["", " "], "text": [None, "Hallo"]}, one))
    assert [(row.audio_uri, row.text) for row in found] == [(None, None), (None, "Hallo")]


def test_a_text_that_is_not_utf8_rejects_its_row(
    read: Read, rows: Rows, rejections: Rejections, one: Columns
) -> None:
    """Parquet promises valid text, and files that break the promise exist."""
    broken = pa.array([b"ok", b"\xff\xfe", None], pa.binary()).view(pa.string())
    tables = read(with_ids(broken), one)
    assert [row.script_id for row in rows(tables)] == ["ok"]
    first, second = rejections(tables)
    assert (first.number, "UTF-8" in first.remedy) == (2, True)
    assert second.reason == "`script_id` is empty."


@pytest.mark.parametrize(
    ("column", "cells", "kind"),
    [
        ("script_id", [["a"], ["b"]], "list"),
        ("script_id", [{"a": 1}, {"a": 2}], "struct"),
        ("script_id", [True, False], "bool"),
        ("script_id", [date(2026, 1, 1)] * 2, "date32"),
        ("locale", [1, 2], "int64"),
        ("audio_uri", [1.5, 2.5], "double"),
        ("text", [["a"], ["b"]], "list"),
        ("prompt", [["a"], ["b"]], "list"),
        ("seed", [date(2026, 1, 1)] * 2, "date32"),
        ("enabled", [["a"], ["b"]], "list"),
        ("provider", [1, 2], "int64"),
    ],
)
def test_a_column_of_the_wrong_type_stops_everything(
    read: Read, scripts: Columns, column: str, cells: list[Any], kind: str
) -> None:
    """With table, column, the type that is there and what to do."""
    with pytest.raises(CannotStart) as caught:
        read(scripts | {column: cells})
    assert f"column `{column}` holds {kind}" in str(caught.value)
    assert "Table scripts" in str(caught.value)
    assert "Convert it." in str(caught.value)


@pytest.mark.parametrize("cells", [[[1], [2]], [1, 2], [{"a": 1}, {"a": 2}]])
def test_locales_of_the_wrong_type_stop_everything(
    read: Read, avatars: Columns, cells: list[Any]
) -> None:
    """They are a list of texts, or a text."""
    with pytest.raises(CannotStart, match=r"`locales` holds .* text with commas"):
        read(None, avatars | {"locales": cells})


@pytest.mark.parametrize(
    ("cells", "enabled"),
    [
        ([True, False, None], [1, 3]),
        ([1, 0, None], [1, 3]),
        ([1.0, 0.0, float("nan")], [1, 3]),
        (["yes", "FALSE", ""], [1, 3]),
        (["true", " no ", None], [1, 3]),
    ],
)
def test_rows_that_are_not_enabled_are_no_lines(
    read: Read, rows: Rows, one: Columns, cells: list[Any], enabled: list[int]
) -> None:
    """They are counted; an empty cell is enabled; row numbers stay those of the table."""
    tables = read(with_ids(["a", "b", "c"]) | {"enabled": cells}, one)
    assert [row.script_row for row in rows(tables)] == enabled
    assert (len(tables), tables.disabled) == (2, 1)


def test_a_row_that_is_not_enabled_is_not_judged(read: Read, one: Columns) -> None:
    """Switching a broken row off is a way to go on, also where it repeats another."""
    tables = read(with_ids(["a", None, "a"]) | {"enabled": [True, False, False]}, one)
    assert (len(tables), tables.disabled, tables.lines.merged) == (1, 2, 0)


def test_an_odd_word_for_enabled_rejects_its_row(
    read: Read, rejections: Rejections, one: Columns
) -> None:
    """Neither bought nor silently skipped."""
    (rejection,) = rejections(read(with_ids(["a", "b"]) | {"enabled": ["yes", "perhaps"]}, one))
    assert (rejection.number, rejection.column) == (2, "enabled")
    assert "'perhaps'" in rejection.reason


def test_avatars_can_be_switched_off_as_well(read: Read, rows: Rows, avatars: Columns) -> None:
    """Whoever writes that means it."""
    tables = read(None, avatars | {"enabled": [False, True]})
    assert {row.avatar_id for row in rows(tables)} == {"ben"}
    assert tables.disabled == 1


def test_the_scripts_wish_wins_over_the_avatars_and_that_over_the_invocations(
    read: Read, rows: Rows, avatars: Columns, scripts: Columns
) -> None:
    """An empty cell is no wish; each wish knows where it stands."""
    found = rows(
        read(
            scripts | {"prompt": ["script's", ""], "seed": [7.0, None], "avatar_id": ["anna"] * 2},
            avatars | {"prompt": ["avatar's", None], "voice": [3, 4]},
            wishes={"prompt": "all's", "resolution": "720p"},
        )
    )
    assert found[0].wishes == {"prompt": "script's", "seed": 7.0, "resolution": "720p"}
    assert found[0].wished_in == {"prompt": "scripts", "seed": "scripts", "voice": "avatars"}
    assert found[1].wishes == {"prompt": "avatar's", "resolution": "720p"}
    assert found[1].wished_in == {"prompt": "avatars", "voice": "avatars"}
    assert [row.voice for row in found] == ["3", "3"]


def test_a_provider_may_be_named_by_either_table(
    read: Read, rows: Rows, avatars: Columns, scripts: Columns
) -> None:
    """The script's over the avatar's over the invocation's."""
    tables = read(
        scripts | {"provider": [" pixazo ", None], "voice": ["v", None]},
        avatars | {"provider": ["runware", None]},
    )
    assert [row.provider for row in rows(tables)] == ["pixazo", "pixazo", "runware", "fal"]
    assert [row.voice for row in rows(tables)] == ["v", "v", None, None]
    assert tables.providers == {"fal", "pixazo", "runware"}
    assert [row.wished_in.get("provider") for row in rows(tables)] == [
        "scripts",
        "scripts",
        "avatars",
        None,
    ]


@pytest.mark.parametrize(
    ("folder", "addresses"),
    [
        ("/tables", ("a/b.wav", "/tables/a/b.wav")),
        ("/tables/", (" ../b.wav ", "/tables/../b.wav")),
        ("/tables", ("/a/b.wav", "/a/b.wav")),
        ("/tables", ("https://a.example/b.wav", "https://a.example/b.wav")),
        ("/tables", ("s3://bucket/b.wav", "s3://bucket/b.wav")),
        ("s3://bucket/t", ("a.wav", "s3://bucket/t/a.wav")),
        ("s3://bucket/t", ("../m/./a.wav", "s3://bucket/m/a.wav")),
    ],
)
def test_relative_addresses_begin_in_the_tables_folder(
    read: Read, rows: Rows, one: Columns, folder: str, addresses: tuple[str, str]
) -> None:
    """Absolute ones are left alone; object storage knows no way back."""
    written, meant = addresses
    scripts = {"script_id": ["a"], "locale": ["de"], "audio_uri": [written]}
    assert rows(read(scripts, one, folder=folder))[0].audio_uri == meant


def test_a_dataframe_brings_its_own_kinds_of_absence(
    read: Read, rows: Rows, rejections: Rejections, one: Columns
) -> None:
    """NaN, NA, NaT and None are nothing; mixed ids are read one by one."""
    mixed = [7, "x", 7.0, np.int64(9), None, pd.NA, float("nan"), Decimal(8), "7"]
    frame = pd.DataFrame(
        {
            "script_id": pd.Series(mixed, dtype=object),
            "locale": ["de", "de", "fr", "de", "de", "de", "de", "de", "en"],
            "audio_uri": "a.wav",
            "seed": [1, None, 3, None, 5, 6, 7, 8, 9],
            "turbo_mode": pd.Series([True, None] + [False] * 7, dtype="boolean"),
        }
    )
    tables = read(frame, pd.DataFrame(one))
    assert [row.script_id for row in rows(tables)] == ["7", "x", "7", "9", "8", "7"]
    assert [one.number for one in rejections(tables)] == [5, 6, 7]
    assert "seed" not in rows(tables)[1].wishes
    assert rows(tables)[0].wishes == {"seed": 1.0, "turbo_mode": True}


def test_a_dataframe_needs_no_folder(
    read: Read, rows: Rows, scripts: Columns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative addresses then begin where the program runs."""
    monkeypatch.chdir(tmp_path)
    found = rows(read(pd.DataFrame(scripts), folder=None))
    assert found[0].audio_uri == str(tmp_path / "a.wav")


def test_a_dataframe_column_of_many_kinds_stops_everything(read: Read, scripts: Columns) -> None:
    """Named, with what it holds."""
    frame = pd.DataFrame(scripts | {"mixed": [object(), "x"]})
    with pytest.raises(CannotStart, match=r"column `mixed`.*object is no text"):
        read(frame)
    lone = pd.DataFrame(scripts | {"note": pd.Series(["\ud800", "x"], dtype=object)})
    with pytest.raises(CannotStart, match="column `note`"):
        read(lone)
