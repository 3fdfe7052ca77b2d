"""A vendor's address -> the clip on our disk, whole or not at all, and what decoding it shows.

A clip arrives under a name of its own beside its place, and is renamed when its last byte is on
the disk and whoever fetches it has looked at it: a file under a clip's name is whole and right,
even where another process fetches the same clip at the same time and is sent a wrong one. Names
are made of keys only, so that nothing a table or a vendor says can choose where something is
written.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Literal, Protocol, TypeVar

from omnihuman_blocks.domain.checks import ClipFacts
from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.edges.places import shown
from omnihuman_blocks.edges.sound import Source
from omnihuman_blocks.errors import BadDelivery, CannotStart, Transient

T = TypeVar("T")
Suffix = Literal["mp4", "webm", "mov"]

LARGEST_CLIP = 2 * 1024 * 1024 * 1024
CLIP_BYTES = 64 * 1024 * 1024
SECOND_BYTES = 32 * 1024 * 1024
"""Twice what a film camera writes. A vendor's file is a tenth to a hundredth of it."""
BLOCK_BYTES = 1024 * 1024
"""So much is gathered before a thread is asked to write it."""
STALE_SECONDS = 24 * 3600
_KEY = re.compile(r"[0-9a-f]{64}")


class Sending(Protocol):
    """An open file at somebody's address."""

    @property
    def size(self) -> int | None:
        """How many bytes the sender has announced."""
        ...

    @property
    def chunks(self) -> AsyncIterator[bytes]: ...


Open = Callable[[str], AbstractAsyncContextManager[Sending]]


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A file that is whole and on the disk for good."""

    path: Path
    size: int
    sha256: str


def largest(seconds: Decimal | None) -> int:
    """How long a file may be for a clip that lasts so long: an endless one must not fill a disk."""
    if seconds is None:
        return LARGEST_CLIP
    return min(LARGEST_CLIP, CLIP_BYTES + int(seconds * SECOND_BYTES))


def clip_path(folder: Path, key: str, suffix: Suffix = "mp4") -> Path:
    """Where a clip lies. Nothing but a key can be part of its name."""
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} is no key")
    return folder / f"{key}.{suffix}"


async def fetch(
    url: str,
    *,
    folder: Path,
    key: str,
    open_address: Open,
    pool: Executor,
    suffix: Suffix = "mp4",
    most: int = LARGEST_CLIP,
    look: Callable[[Path], Awaitable[None]] | None = None,
) -> Delivered:
    """Brings a clip here. Free and repeatable; leaves nothing behind where it fails.

    `Transient` where the sender hangs up early, `BadDelivery` where what it sends is no clip,
    `CannotStart` where our own disk is the trouble. `look` sees it once all of it is on the disk,
    and raises where it is not to get its name.
    """
    arriving = _Arriving(clip_path(folder, key, suffix))
    try:
        await _on_disk(pool, arriving, arriving.open)
        async with open_address(url) as sending:
            await _receive(sending, arriving, pool=pool, most=most, name=_name(url))
        await _on_disk(pool, arriving, arriving.seal)
        if look is not None:
            await look(arriving.part)
        return await _on_disk(pool, arriving, arriving.finish)
    finally:
        arriving.discard()


async def inspect(path: Path, audio: Source, *, pool: Executor) -> ClipFacts:
    """What decoding a clip shows, beside the event loop. `audio`: the row's own, bytes or file."""
    return await asyncio.get_running_loop().run_in_executor(pool, clip_facts, path, audio)


def put_aside(path: Path, key: str, suffix: Suffix = "mp4") -> Path:
    """Keeps a file that is not to get its name, for whoever wants to see what came."""
    return path.replace(path.with_name(f"{key}.rejected.{suffix}"))


def put_back(kept: Path, final: Path) -> Delivered:
    """A file that was kept aside gets the name of a clip after all."""
    with kept.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kept.replace(final)
    _sync_folder(final.parent)
    return Delivered(path=final, size=final.stat().st_size, sha256=digest)


def sweep(folder: Path) -> int:
    """Removes what processes that were killed have left half-way, a day ago or longer."""
    stale = [part for part in folder.glob(".*.part") if _age_seconds(part) > STALE_SECONDS]
    for part in stale:
        part.unlink(missing_ok=True)
    return len(stale)


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _name(url: str) -> str:
    """An address fit for a message: what follows `?` is often a signature."""
    return shown(url.partition("?")[0])


async def _receive(
    sending: Sending, arriving: _Arriving, *, pool: Executor, most: int, name: str
) -> None:
    if sending.size is not None and sending.size > most:
        raise BadDelivery(f"{name} has {sending.size:,} bytes; a clip has at most {most:,}")
    received, block = 0, bytearray()
    async for chunk in sending.chunks:
        received += len(chunk)
        if received > most:
            raise BadDelivery(f"{name} has more than {most:,} bytes, which no clip has")
        block += chunk
        if len(block) >= BLOCK_BYTES:
            await _on_disk(pool, arriving, arriving.write, bytes(block))
            block.clear()
    await _on_disk(pool, arriving, arriving.write, bytes(block))
    if sending.size is not None and received != sending.size:
        raise Transient(f"{name} broke off after {received:,} of {sending.size:,} bytes")
    if received == 0:
        raise BadDelivery(f"{name} is an empty file")


async def _on_disk(
    pool: Executor, arriving: _Arriving, work: Callable[..., T], *arguments: object
) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
    except OSError as error:
        raise CannotStart(
            f"{arriving.folder} cannot be written: {error.strerror or error}. Make room, or change "
            "its permissions, and run again: the clip is paid and stays at its vendor for a while."
        ) from error


def put(fresh: Path, final: Path) -> None:
    """Gives its name to a file that was made beside its place. On the disk first."""
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(final)
    _sync_folder(final.parent)


class _Arriving:
    """A file that has no name until it is whole. Its lock lets it be given up at any moment."""

    def __init__(self, final: Path) -> None:
        self.folder = final.parent
        self._final = final
        self.part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
        self._file: IO[bytes] | None = None
        self._is_over = False
        self._digest = hashlib.sha256()
        self._size = 0
        self._lock = threading.Lock()

    def open(self) -> None:
        with self._lock:
            if not self._is_over:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = self.part.open("xb")

    def write(self, content: bytes) -> None:
        with self._lock:
            if self._file is not None:
                self._file.write(content)
                self._digest.update(content)
                self._size += len(content)

    def seal(self) -> None:
        """On the disk first, under its name then: after a power cut it is whole or not there."""
        with self._lock:
            if self._file is None:
                raise RuntimeError("the file was given up")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def finish(self) -> Delivered:
        with self._lock:
            if self._file is None:
                raise RuntimeError("the file was given up")
            self.part.replace(self._final)
            self._file, self._is_over = None, True
            _sync_folder(self.folder)
        return Delivered(path=self._final, size=self._size, sha256=self._digest.hexdigest())

    def discard(self) -> None:
        """Does nothing to a file that was finished."""
        with self._lock:
            if self._file is not None:
                with suppress(OSError):  # a full disk cannot take what was still to be written
                    self._file.close()
                with suppress(OSError):
                    self.part.unlink(missing_ok=True)
            self._file, self._is_over = None, True


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # pragma: no cover - folders cannot be opened there, nor need it
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
