"""Files of a results folder are there whole or not at all, on a disk and in object storage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.edges.note import Note, read_note, write_note
from omnihuman_blocks.edges.recall import read_catalogue
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import CannotStart


@pytest.fixture(params=["local", "remote"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ResultsFolder:
    """A results folder that does not exist yet."""
    if request.param == "local":
        return ResultsFolder.at(tmp_path / "out" / "results")
    return ResultsFolder.at(f"memory://bucket{tmp_path}/results")


def put(content: bytes) -> Any:
    return lambda file: file.write(content)


def broken(file: IO[bytes]) -> None:
    file.write(b"half")
    raise RuntimeError("the pen broke")


def test_a_file_is_replaced(folder: ResultsFolder) -> None:
    """The folder is made, and nothing else is left in it."""
    assert not folder.has("a.txt")
    folder.replace("a.txt", put(b"one"))
    folder.replace("a.txt", put(b"two"))
    folder.replace("history/b.txt", put(b"three"))
    assert (folder.read("a.txt"), folder.has("a.txt")) == (b"two", True)
    assert (folder.names(""), folder.names("history"), folder.names("none")) == (
        ["a.txt"],
        ["b.txt"],
        [],
    )


def test_a_write_that_breaks_off_changes_nothing(folder: ResultsFolder) -> None:
    """The old file stays, and nothing half lies beside it."""
    folder.replace("a.txt", put(b"one"))
    with pytest.raises(RuntimeError):
        folder.replace("a.txt", broken)
    with pytest.raises(RuntimeError):
        folder.create("b.txt", broken)
    assert (folder.read("a.txt"), folder.names("")) == (b"one", ["a.txt"])
    if folder.is_local:
        assert os.listdir(folder.root) == ["a.txt"]  # noqa: PTH208 - hidden ones, too


def test_a_new_file_never_replaces_an_old_one(folder: ResultsFolder) -> None:
    """The history is only added to."""
    folder.create("a.txt", put(b"one"))
    with pytest.raises(FileExistsError):
        folder.create("a.txt", put(b"two"))
    assert folder.read("a.txt") == b"one"


def test_a_file_that_came_in_between_is_not_replaced(tmp_path: Path) -> None:
    """Two invocations may hit upon the same name; the second one learns of it."""
    folder = ResultsFolder.at(tmp_path)

    def slow(file: IO[bytes]) -> None:
        file.write(b"two")
        (tmp_path / "a.txt").write_bytes(b"one")

    with pytest.raises(FileExistsError):
        folder.create("a.txt", slow)
    assert folder.read("a.txt") == b"one"


KILLED = """
import os, signal, sys
from omnihuman_blocks.edges.results_folder import ResultsFolder

def write(file):
    file.write(b"x" * 100_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

ResultsFolder.at(sys.argv[1]).replace("catalogue.parquet", write)
"""


def test_whoever_is_killed_while_writing_leaves_the_old_file(workshop: Any, tmp_path: Path) -> None:
    """And what lies beside it is not taken for a part of the dataset."""
    workshop.write()
    before = read_catalogue(workshop.folder)
    killed = subprocess.run([sys.executable, "-c", KILLED, workshop.folder.root], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert read_catalogue(workshop.folder).equals(before)
    files = ["catalogue.parquet", "plan.parquet", "rejections.parquet"]
    assert workshop.folder.names("") == files
    workshop.write()
    assert len(read_catalogue(workshop.folder)) == 6
    assert tmp_path.exists()


def test_a_results_folder_may_lie_in_object_storage(workshop: Any, tmp_path: Path) -> None:
    """Written, recognised and read there."""
    workshop.folder = ResultsFolder.at(f"memory://bucket{tmp_path}/results")
    workshop.write()
    assert workshop.write().kept == 6
    assert len(read_catalogue(workshop.folder.address)) == 6
    with fsspec.open(f"{workshop.folder.address}/catalogue.parquet") as file:
        assert pq.read_table(file).num_rows == 6


def test_a_place_that_nobody_reaches_stops_everything() -> None:
    """Without the key in its address."""
    with pytest.raises(CannotStart, match="cannot be reached") as caught:
        ResultsFolder.at("gopher://me:secret@a.example/x")
    assert "secret" not in str(caught.value)


# --- omnihuman.json ---------------------------------------------------------------------------


def test_what_a_folder_was_made_from_can_be_read_again(folder: ResultsFolder) -> None:
    """As it was written, without what opens doors."""
    note = Note(
        scripts="s3://bucket/ß.parquet",
        avatars="/in/avatars.csv",
        provider="block:fal-omnihuman/main",
        ledger="postgresql://me:secret@db/ledger",
        options={"variants": "2"},
    )
    write_note(folder, note)
    assert read_note(folder) == replace(note, ledger="postgresql://db/ledger")
    assert b"secret" not in folder.read("omnihuman.json")
    assert json.loads(folder.read("omnihuman.json"))["format"] == 1


def test_tables_from_python_have_no_address(folder: ResultsFolder) -> None:
    """And say so."""
    note = Note(scripts=None, avatars=None, provider="fal")
    write_note(folder, note)
    assert read_note(folder) == note


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no results folder"),
        (b"", "cannot be understood"),
        (b"[]", "cannot be understood"),
        (b'{"format": 1}', "cannot be understood"),
        (b'{"format": 99}', "Upgrade it"),
        (b"\xff\xfe", "cannot be understood"),
    ],
)
def test_a_folder_that_does_not_say_what_it_was_made_from_stops_everything(
    folder: ResultsFolder, content: bytes | None, said: str
) -> None:
    """With what to do."""
    if content is not None:
        folder.replace("omnihuman.json", put(content))
    with pytest.raises(CannotStart, match=said):
        read_note(folder)
