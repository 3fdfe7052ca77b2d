"""A results folder that is full, read-only, or no folder: one sentence, and nothing is lost."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import CannotStart


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process grows beyond a kilobyte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def long(file: IO[bytes]) -> None:
    file.write(b"x" * 100_000)


def short(file: IO[bytes]) -> None:
    file.write(b"old")


@pytest.mark.parametrize("write", [ResultsFolder.replace, ResultsFolder.create])
def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(
    tmp_path: Path, full_disk: None, write: Callable[..., None]
) -> None:
    """The catalogue of the last run is still whole; what was bought since is in the ledger."""
    folder = ResultsFolder.at(str(tmp_path))
    folder.replace("catalogue.parquet", short)
    name = "catalogue.parquet" if write is ResultsFolder.replace else "history/1.parquet"
    with pytest.raises(CannotStart, match=r"cannot be written: .*Make room.*same command again"):
        write(folder, name, long)
    assert (tmp_path / "catalogue.parquet").read_bytes() == b"old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["catalogue.parquet"]


@pytest.mark.parametrize("place", ["/proc/omnihuman", "{folder}/file/out", "{folder}/file"])
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path, place: str) -> None:
    """A file system that is read-only for everybody, or a file where the folder should be."""
    (tmp_path / "file").write_bytes(b"")
    folder = ResultsFolder.at(place.format(folder=tmp_path))
    with pytest.raises(CannotStart, match="cannot be written"):
        folder.replace("catalogue.parquet", short)


def test_something_else_in_the_place_of_the_videos_is_told(tmp_path: Path) -> None:
    """Before anything is bought that could not be put there."""
    (tmp_path / "videos").write_bytes(b"")
    with pytest.raises(CannotStart, match=r"videos cannot be looked into"):
        ResultsFolder.at(str(tmp_path)).names("videos")
