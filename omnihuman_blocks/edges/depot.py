"""Finished videos -> a results folder in object storage, and how we know that they got there.

A video is received and checked on a disk of this machine first; what is put into the depot is
whole and right. It is read back once, because nothing is called done that was not seen where it is
said to be. Names are keys, so bringing the same video twice changes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.edges.results_folder import COPY_BYTES, ResultsFolder
from omnihuman_blocks.errors import Transient


@dataclass(frozen=True, kw_only=True)
class Depot:
    """One folder of a results folder that lies on no disk of this machine."""

    results: ResultsFolder
    folder: str

    def has(self, name: str, size: int) -> bool:
        """Whether a video lies there with all its bytes. One question, and nothing is read."""
        try:
            self._forget()
            info = self.results.files.get_file_info(self._path(name))
        except Exception as error:  # every store has errors of its own
            raise self._trouble(error) from error
        return bool(info.is_file and info.size == size)

    def bring(self, path: Path, *, sha256: str | None = None) -> None:
        """Puts a file there under its own name. `Transient` where it did not arrive as it is."""
        try:
            with path.open("rb") as file:
                with self.results.files.open_output_stream(self._path(path.name)) as stream:
                    while chunk := file.read(COPY_BYTES):
                        stream.write(chunk)
                file.seek(0)
                wanted = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
            found = self._digest(path.name)
        except Exception as error:  # every store has errors of its own
            raise self._trouble(error) from error
        if found != wanted:
            raise Transient(f"{self._shown}/{path.name} is not what was put there. Run it again.")

    def _forget(self) -> None:
        """Folders that were listed are remembered by fsspec, without what others bring there."""
        handler = getattr(self.results.files, "handler", None)
        if handler is not None:
            handler.fs.invalidate_cache(self.results.path(self.folder))

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self.results.files.open_input_stream(self._path(name)) as stream:
            while chunk := stream.read(COPY_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _path(self, name: str) -> str:
        return self.results.path(f"{self.folder}/{name}")

    @property
    def _shown(self) -> str:
        return f"{without_credentials(self.results.address)}/{self.folder}"

    def _trouble(self, error: Exception) -> Transient:
        return Transient(
            f"{self._shown} cannot be used now ({type(error).__name__}). Run it again."
        )
