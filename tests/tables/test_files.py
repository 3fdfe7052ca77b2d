"""Tables come as Parquet or CSV, from a disk or from further away; what cannot be read says why."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.domain.row import Rejection, Row
from omnihuman_blocks.edges.tables import Asked, Tables, read_tables
from omnihuman_blocks.errors import CannotStart

Read = Callable[..., Tables]
Rows = Callable[[Tables], list[Row]]
Rejections = Callable[[Tables], list[Rejection]]
Columns = dict[str, list[Any]]
WriteParquet = Callable[..., str]
ASKED = Asked(provider="fal", option_names=frozenset({"prompt", "seed"}))

CSV = 'script_id,locale,audio_uri,text,note\n007,de,a.wav,"Hallo,\nWelt",x\nNA,pt_BR,b.wav,,007\n'
ONE_AVATAR = "avatar_id,image_uri\nanna,anna.png\n"


@pytest.fixture
def one(write_parquet: WriteParquet) -> str:
    """A file with one avatar."""
    return write_parquet("avatars.parquet", {"avatar_id": ["anna"], "image_uri": ["anna.png"]})


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """A file with this content."""

    def writing(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return writing


# --- Parquet ----------------------------------------------------------------------------------


def test_a_parquet_file_is_a_table_and_its_folder_the_start_of_addresses(
    write_parquet: WriteParquet, one: str, rows: Rows, scripts: Columns, tmp_path: Path
) -> None:
    """As a path or as an address, and with a header that has stray spaces."""
    spaced = {f" {name} ": cells for name, cells in scripts.items()}
    path = write_parquet("in/scripts.parquet", spaced)
    for given in (path, Path(path), f"file://{path}"):
        found = rows(read_tables(given, one, ASKED))
        assert [row.audio_uri for row in found] == [f"{tmp_path}/in/a.wav", f"{tmp_path}/in/b.wav"]
        assert found[0].image_uri == f"{tmp_path}/anna.png"


def test_a_folder_of_files_is_one_table_in_the_order_of_names(
    write_parquet: WriteParquet, one: str, rows: Rows, scripts: Columns, tmp_path: Path
) -> None:
    """A column that only a later file has is there; what begins with `_` or `.` is no data."""
    second = scripts | {"script_id": ["c", "d"], "prompt": ["wave", None]}
    write_parquet("many/part-1.parquet", second)
    write_parquet("many/part-0.parquet", scripts)
    write_parquet("many/_old/part-0.parquet", scripts)
    (tmp_path / "many" / "_SUCCESS").write_text("")
    found = rows(read_tables(str(tmp_path / "many"), one, ASKED))
    assert [row.script_id for row in found] == ["intro", "outro", "c", "d"]
    assert [row.wishes.get("prompt") for row in found] == [None, None, "wave", None]
    assert [row.script_row for row in found] == [1, 2, 3, 4]
    assert found[0].audio_uri == f"{tmp_path}/many/a.wav"


def test_hive_partitions_are_columns_of_text(
    write_parquet: WriteParquet, one: str, rows: Rows, tmp_path: Path
) -> None:
    """The folder `script_id=007` means the id `007`, whatever it looks like."""
    for locale, name in (("de", "007"), ("pt%5FBR", "008")):
        path = f"hive/locale={locale}/script_id={name}/part.parquet"
        write_parquet(path, {"audio_uri": ["a.wav"]})
    found = rows(read_tables(str(tmp_path / "hive"), one, ASKED))
    assert [(row.script_id, row.locale) for row in found] == [("007", "de"), ("008", "pt-BR")]


def test_files_that_do_not_fit_together_stop_everything(
    write_parquet: WriteParquet, one: str, scripts: Columns, tmp_path: Path
) -> None:
    """With the file that does not fit."""
    write_parquet("many/a.parquet", scripts)
    write_parquet("many/b.parquet", scripts | {"audio_uri": [["x"], ["y"]]})
    with pytest.raises(CannotStart, match=r"b\.parquet does not fit.*audio_uri"):
        read_tables(str(tmp_path / "many"), one, ASKED)


def test_a_table_of_many_row_groups_keeps_its_order(one: str, rows: Rows, tmp_path: Path) -> None:
    """Reading in batches must not shuffle."""
    ids = [f"s{number}" for number in range(20_000)]
    table = pa.table({"script_id": ids, "locale": ["de"] * 20_000, "audio_uri": ids})
    pq.write_table(table, tmp_path / "scripts.parquet", row_group_size=1000)
    found = rows(read_tables(str(tmp_path / "scripts.parquet"), one, ASKED))
    assert [row.script_id for row in found] == ids


# --- CSV --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        b"\xef\xbb\xbf" + CSV.encode(),
        CSV.encode("utf-16"),
        CSV.replace(",\nWelt", "\0").replace(",", ";").replace("\0", ",\nWelt").encode(),
        CSV.replace("\n007", "\r\n007").replace("x\n", "x\r\n").encode(),
        CSV.replace("script_id,locale", " script_id , locale").encode(),
    ],
    ids=["plain", "bom", "utf-16", "semicolons", "crlf", "spaces"],
)
def test_csv_is_understood_as_programs_write_it(
    write: Callable[..., str], one: str, rows: Rows, content: bytes
) -> None:
    """Byte order marks, semicolons, line breaks in cells; `007` and `NA` stay what they are."""
    first, second = rows(read_tables(write("scripts.csv", content), one, ASKED))
    assert (first.script_id, first.locale, first.text) == ("007", "de", "Hallo,\nWelt")
    assert (second.script_id, second.locale, second.text) == ("NA", "pt-BR", None)


def test_csv_may_be_compressed_or_lie_in_several_files(
    write: Callable[..., str], rows: Rows, tmp_path: Path
) -> None:
    """Lines are counted on from file to file."""
    write("many/a.csv.gz", gzip.compress(CSV.encode()))
    write("many/b.csv", "script_id,locale,audio_uri\nc,fr,c.wav\n")
    avatars = write("avatars.tsv", ONE_AVATAR.replace(",", "\t"))
    found = rows(read_tables(str(tmp_path / "many"), avatars, ASKED))
    assert [(row.script_id, row.script_row) for row in found] == [("007", 1), ("NA", 2), ("c", 3)]


def test_a_line_of_csv_with_too_many_or_too_few_cells_is_rejected(
    write: Callable[..., str], one: str, rows: Rows, rejections: Rejections, tmp_path: Path
) -> None:
    """It stops no other, and every line keeps its number."""
    write("s/a.csv", 'script_id,locale,audio_uri\na,de,x\nb,de\nc,de,"x\ny"\nd,de,x,y\ne,de,x\n')
    write("s/b.csv", "script_id,locale,audio_uri\nf\ng,de,x\n")
    tables = read_tables(str(tmp_path / "s"), one, ASKED)
    assert [(row.script_id, row.script_row) for row in rows(tables)] == [
        ("a", 1),
        ("c", 3),
        ("e", 5),
        ("g", 7),
    ]
    assert [(one.number, one.reason) for one in rejections(tables)] == [
        (2, "The line has 2 cells where the header names 3."),
        (4, "The line has 4 cells where the header names 3."),
        (6, "The line has 1 cells where the header names 3."),
    ]
    assert [entry.place for entry in tables.entries()] == list(range(7))


def test_a_broken_line_of_avatars_is_told_as_well(
    write: Callable[..., str], rejections: Rejections, rows: Rows
) -> None:
    """At the end, where avatars that stand alone are."""
    tables = read_tables(
        write("scripts.csv", CSV), write("avatars.csv", ONE_AVATAR + "ben\n"), ASKED
    )
    (rejection,) = rejections(tables)
    assert (rejection.table, rejection.number) == ("avatars", 2)
    assert len(rows(tables)) == 2


def test_only_broken_lines_are_no_reason_to_stop(
    write: Callable[..., str], one: str, rejections: Rejections
) -> None:
    """Each is told."""
    path = write("scripts.csv", "script_id,locale,audio_uri\na,de\n")
    assert len(rejections(read_tables(path, one, ASKED))) == 1


def test_csv_that_is_not_utf8_stops_everything_with_its_line(
    write: Callable[..., str], one: str
) -> None:
    """Guessing an encoding would put wrong words into somebody's mouth."""
    path = write("scripts.csv", CSV.encode() + "b,de,x,Grüße,\n".encode("latin-1"))
    with pytest.raises(CannotStart, match=r"line 5 of .*scripts\.csv is not UTF-8.*CSV UTF-8"):
        read_tables(path, one, ASKED)


# --- what stops everything --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("scripts.csv", "", "is empty"),
        ("scripts.csv", "script_id,locale,audio_uri\n", "has no rows"),
        ("scripts.csv", "a,a,b\n1,2,3\n", "more than one column `a`"),
        ("scripts.csv", "a,b\n1,2\n", "no column `script_id`. Add it, or rename one of `a`, `b`"),
        ("scripts.csv", "script_id,audio_uri\n1,2\n", "no column `locale`"),
        ("scripts.csv", "script_id,locale\n1,de\n", "neither `audio_uri` nor `text`"),
        ("scripts.csv", "Script ID,locale,text\n1,de,x\n", "`Script ID` looks like `script_id`"),
        ("scripts.csv", "script_id,locale,text,Prompt\n1,de,x,y\n", "`Prompt` looks like `prompt`"),
        ("scripts.parquet", "PAR1 but not really", "cannot be read"),
        ("scripts.parquet", "", "cannot be read"),
        ("scripts.xlsx", "PK", "must be Parquet"),
    ],
)
def test_a_table_that_cannot_be_used_stops_everything(
    write: Callable[..., str], one: str, name: str, content: str, *, said: str
) -> None:
    """With its address, what is wrong, and what to do."""
    path = write(name, content)
    with pytest.raises(CannotStart) as caught:
        read_tables(path, one, ASKED)
    message = str(caught.value)
    assert message.startswith(f"Table scripts ({path})")
    assert said in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("avatars", "said"),
    [
        ({"image_uri": ["x"]}, "no column `avatar_id`"),
        ({"avatar_id": ["x"]}, "no column `image_uri`"),
        ({"avatar_id": ["x"], "image_uri": ["x"], "Locales": ["de"]}, "`Locales` looks like"),
        ({"avatar_id": [], "image_uri": []}, "has no rows"),
    ],
)
def test_avatars_that_cannot_be_used_stop_everything(
    write_parquet: WriteParquet, scripts: Columns, avatars: Columns, said: str
) -> None:
    """In the same way."""
    paths = write_parquet("s.parquet", scripts), write_parquet("a.parquet", avatars)
    with pytest.raises(CannotStart, match=said) as caught:
        read_tables(*paths, ASKED)
    assert "Table avatars" in str(caught.value)


def test_a_file_or_folder_that_is_not_there_stops_everything(one: str, tmp_path: Path) -> None:
    """As does a folder without a table in it, and an address of a kind that nobody knows."""
    for path, said in (
        (tmp_path / "none.parquet", "no such file"),
        (tmp_path / "none.csv", "no such file"),
        ("memory://nowhere/none.parquet", "no such file"),
        ("gopher://a.example/x.parquet", "cannot be read"),
    ):
        with pytest.raises(CannotStart, match=said):
            read_tables(path, one, ASKED)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CannotStart, match="holds no table"):
        read_tables(tmp_path / "empty", one, ASKED)


def test_an_unreadable_file_stops_everything(write: Callable[..., str], one: str) -> None:
    """A folder in the place of a file counts as one, whoever runs the tests."""
    path = Path(write("scripts.parquet/inside.txt", "no table"))
    with pytest.raises(CannotStart, match="cannot be read"):
        read_tables(path.parent, one, ASKED)


def test_no_key_in_an_address_reaches_a_message(one: str) -> None:
    """Messages end up in logs and tickets."""
    address = "gopher://me:secret@a.example/x.parquet?token=secret"
    with pytest.raises(CannotStart) as caught:
        read_tables(address, one, ASKED)
    assert "secret" not in str(caught.value)


# --- further away -----------------------------------------------------------------------------


@pytest.fixture
def bucket() -> str:
    """A folder in a file system that only fsspec reaches."""
    files = fsspec.filesystem("memory")
    files.rm("/", recursive=True) if files.ls("/") else None
    return "memory://bucket/tables"


def test_tables_are_read_wherever_fsspec_reaches(
    bucket: str, one: str, rows: Rows, scripts: Columns
) -> None:
    """Parquet, a folder of it, and CSV; relative addresses stay with the table."""
    frame = pd.DataFrame(scripts)
    with fsspec.open(f"{bucket}/s/part-0.parquet", "wb") as file:
        frame.to_parquet(file)
    with fsspec.open(f"{bucket}/s.csv", "wb") as file:
        file.write(CSV.encode())
    for address, folder in (
        (f"{bucket}/s/part-0.parquet", "memory:///bucket/tables/s"),
        (f"{bucket}/s", "memory:///bucket/tables/s"),
        (f"{bucket}/s.csv", "memory:///bucket/tables"),
    ):
        found = rows(read_tables(address, one, ASKED))
        assert [row.audio_uri for row in found] == [f"{folder}/a.wav", f"{folder}/b.wav"]


def test_carried_columns_are_untouched(
    write_parquet: WriteParquet, one: str, scripts: Columns
) -> None:
    """Every type as it came; of CSV, the text as it was written."""
    odd = {
        "when": pa.array([1, 2], pa.timestamp("ns", "Europe/Berlin")),
        "nested": pa.array([{"a": [1]}, None]),
        "price": pa.array([1, 2], pa.decimal128(20, 3)),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
        "number": pa.array([1, None], pa.int8()),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(4.0)), 2),
    }
    path = write_parquet("scripts.parquet", scripts | odd)
    carried = read_tables(path, one, ASKED).scripts.carried
    assert {name: carried[name].type for name in carried.column_names} == {
        name: column.type for name, column in odd.items()
    }
    assert carried.to_pylist() == pa.table(odd).to_pylist()


def test_carried_columns_of_csv_are_text(write: Callable[..., str], one: str) -> None:
    """A leading zero means something to whoever wrote it."""
    carried = read_tables(write("scripts.csv", CSV), one, ASKED).scripts.carried
    assert carried.to_pylist() == [{"note": "x"}, {"note": "007"}]
