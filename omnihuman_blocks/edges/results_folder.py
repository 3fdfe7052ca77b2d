"""A results folder, on a disk or in object storage: files in it are replaced whole or not at all.

On a disk a file is written beside its place, flushed to the platter and renamed, so that whoever
reads sees the old one or the new one. In object storage a finished object is put in one go.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeAlias

import pyarrow.fs

from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.edges.sources import open_filesystem
from omnihuman_blocks.errors import CannotStart

Write: TypeAlias = Callable[[IO[bytes]], None]
COPY_BYTES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class ResultsFolder:
    """Where an invocation's results lie."""

    address: str
    files: Any
    root: str

    @classmethod
    def at(cls, address: str | os.PathLike[str]) -> ResultsFolder:
        """The folder; it need not exist yet."""
        text = os.fspath(address)
        try:
            files, root, _ = open_filesystem(text)
        except (ImportError, ValueError, OSError) as error:
            raise CannotStart(
                f"The results folder {without_credentials(text)} cannot be reached: {error}"
            ) from error
        return cls(address=text, files=files, root=root.rstrip("/") or "/")

    @property
    def is_local(self) -> bool:
        """Whether it lies on a disk of this machine."""
        return isinstance(self.files, pyarrow.fs.LocalFileSystem)

    def path(self, name: str) -> str:
        """Where a file of this name lies, for whoever reads it with pyarrow."""
        return f"{self.root}/{name}"

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        info = self.files.get_file_info(self.path(name))
        return bool(info.type == pyarrow.fs.FileType.File)

    def names(self, folder: str) -> list[str]:
        """The files in one of its folders, in order; what begins with a dot is not finished."""
        selector = pyarrow.fs.FileSelector(self.path(folder), allow_not_found=True)
        try:
            infos = self.files.get_file_info(selector)
        except OSError as error:
            raise CannotStart(
                f"{without_credentials(self.path(folder))} cannot be looked into: {error}"
            ) from error
        found = (info.base_name for info in infos if info.is_file)
        return sorted(name for name in found if not name.startswith("."))

    def read(self, name: str) -> bytes:
        """The whole file."""
        with self.files.open_input_stream(self.path(name)) as stream:
            return bytes(stream.read())

    def replace(self, name: str, write: Write) -> None:
        """A new file in the place of the old one, at once."""
        with self._written(name, write) as fresh:
            if fresh is not None:
                fresh.replace(self.path(name))

    def create(self, name: str, write: Write) -> None:
        """A new file; `FileExistsError` where there is one of that name."""
        if self.has(name):
            raise FileExistsError(self.path(name))
        with self._written(name, write) as fresh:
            if fresh is not None:
                _name_once(fresh, self.path(name))

    @contextmanager
    def _written(self, name: str, write: Write) -> Iterator[Path | None]:
        """The file under a name of its own, not in its place yet; None where it is put at once."""
        if not self.is_local:
            self._put(name, write)
            yield None
            return
        place = Path(self.path(name))
        fresh = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
        _make(place.parent)
        try:
            with fresh.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            yield fresh
            _keep_name(place.parent)
        except FileExistsError:
            raise
        except OSError as error:
            raise _unwritable(place, error) from error
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def _put(self, name: str, write: Write) -> None:
        """Written aside first: a stream that breaks off would leave half an object."""
        with TemporaryFile() as file:
            write(file)
            file.seek(0)
            with self.files.open_output_stream(self.path(name)) as stream:
                while chunk := file.read(COPY_BYTES):
                    stream.write(chunk)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(place: Path, error: OSError) -> CannotStart:
    return CannotStart(
        f"{place} cannot be written: {error.strerror or error}. Make room, or change the folder's "
        "permissions, and run the same command again: what was bought is in the ledger."
    )


def _name_once(fresh: Path, place: str) -> None:
    """A second name, which unlike a rename never replaces; a rename where disks know no links."""
    try:
        os.link(fresh, place)
    except FileExistsError:
        raise
    except OSError:
        fresh.replace(place)


def _keep_name(folder: Path) -> None:
    """A rename is only kept once the folder itself is flushed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
