"""An address in a table -> `Media`: digest, size, real format, exact length or sides.

Everything here is free and repeatable. What a medium is, is asked of its bytes and never of its
name: the key of a job hangs on the digest and its price on the length.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from omnihuman_blocks.domain.addresses import is_web
from omnihuman_blocks.domain.job import Media, MediaKind, Upload
from omnihuman_blocks.domain.limits import COLUMNS
from omnihuman_blocks.edges.picture import look
from omnihuman_blocks.edges.places import Place, Unusable, find, is_near, locate, shown
from omnihuman_blocks.edges.recent import Recent
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.errors import InvalidRow, Refused

T = TypeVar("T")
Read = Callable[[str], Awaitable[bytes]]
"""The bytes at an http(s) address, bounded in size; `Refused` and `Transient` where there are
none."""

LARGEST = {
    MediaKind.IMAGE: 64 * 1024 * 1024,
    MediaKind.MASK: 64 * 1024 * 1024,
    MediaKind.AUDIO: 256 * 1024 * 1024,
}
"""Far beyond what any vendor takes. Bounds what one thread holds in memory at a time."""
FAR_AT_ONCE = 16
KEPT = 100_000
RECENT_BYTES = 32 * 1024 * 1024
MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "aiff": "audio/aiff",
    "webm": "audio/webm",
    "mp4": "video/mp4",
}
REMEDIES = {
    MediaKind.IMAGE: "Save it again as JPEG or PNG",
    MediaKind.MASK: "Save it again as PNG",
    MediaKind.AUDIO: "Save it again as WAV or MP3",
}
SUFFIXES = {"jpeg": "jpg", "tiff": "tif"}


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A file as it lies there now. `mark` is another one as soon as its content may be."""

    address: str
    mark: str


@dataclass(frozen=True, kw_only=True)
class OnTheWeb:
    """What is known of a medium at an http(s) address, from when it was read last."""

    mark: str
    media: Media
    is_current: bool = False
    """Its server was asked in this invocation, and it is still the same."""


class Seen(Protocol):
    """A file as its server tells it now: another mark, or another content."""

    @property
    def mark(self) -> str | None: ...
    @property
    def content(self) -> bytes | None: ...


Look = Callable[[str, str | None], Awaitable[Seen]]
"""An http(s) address, and the mark that is known of it -> its content, unless it has that mark."""


class MediaMemory(Protocol):
    """Facts found out by earlier invocations. Called from the threads of the pool."""

    def recall(self, fingerprint: Fingerprint) -> Media | None:
        """What is known of the file, if it has not changed since."""
        ...

    def remember(self, fingerprint: Fingerprint, media: Media) -> None:
        """Takes the place of whatever was known of this address."""
        ...

    def on_the_web(self, address: str, kind: MediaKind) -> OnTheWeb | None:
        """What is known of an http(s) address, whatever it may be by now."""
        ...


class Examiner:
    """Examines each address once, however many rows name it. Belongs to one event loop.

    Files are read and decoded in the pool: its threads bound both the work and the memory.
    """

    def __init__(
        self,
        *,
        read: Read,
        pool: Executor,
        memory: MediaMemory | None = None,
        look: Look | None = None,
    ) -> None:
        """With `memory` and `look` media on the web are remembered too."""
        self._read = read
        self._pool = pool
        self._memory = memory
        self._look = look
        self._far = asyncio.Semaphore(FAR_AT_ONCE)
        self._begun: OrderedDict[tuple[MediaKind, str], asyncio.Task[Media]] = OrderedDict()
        self._recent = Recent(RECENT_BYTES)

    async def examine(self, uri: str, kind: MediaKind, base: Path | str) -> Media:
        """The facts of a medium. `InvalidRow` names the column, the address and the remedy.

        A relative address starts at `base`, the folder of its table.
        """
        try:
            address = locate(uri, base)
        except Unusable as error:
            raise _invalid(kind, "", error) from error
        return await asyncio.shield(self._examination(address, kind))

    async def read_upload(self, media: Media) -> Upload:
        """The bytes on their way to a vendor: those that were examined, and no others."""
        kept = self._recent.get(media.sha256)
        if kept is not None:
            return upload_of(media, kept, media.format)
        content = await self._bytes(media.uri, media.kind)
        if await self._in_pool(_digest, content) != media.sha256:
            column = COLUMNS[media.kind]
            raise InvalidRow(
                f"`{column}` {shown(media.uri)} has changed since it was examined. Run again.",
                column,
            )
        self._recent.put(media.sha256, content)
        return upload_of(media, content, media.format)

    def _examination(self, address: str, kind: MediaKind) -> asyncio.Task[Media]:
        begun = self._begun.get((kind, address))
        if begun is None:
            begun = self._begun[kind, address] = asyncio.create_task(self._examine(address, kind))
            begun.add_done_callback(lambda task: self._finished(kind, address, task))
        self._begun.move_to_end((kind, address))
        return begun

    def _finished(self, kind: MediaKind, address: str, task: asyncio.Task[Media]) -> None:
        """Facts and faults of a file are kept for this invocation; passing trouble is not."""
        if task.cancelled() or not isinstance(task.exception(), InvalidRow | None):
            self._begun.pop((kind, address), None)
        while len(self._begun) > KEPT and next(iter(self._begun.values())).done():
            self._begun.popitem(last=False)

    async def _examine(self, address: str, kind: MediaKind) -> Media:
        try:
            if is_near(address):
                return await self._in_pool(_examine_file, address, kind, self._memory)
            async with self._far:
                if is_web(address):
                    return await self._examine_web(address, kind)
                return await self._examine_far(address, kind)
        except Unusable as error:
            raise _invalid(kind, address, error) from error

    async def _examine_far(self, address: str, kind: MediaKind) -> Media:
        """Waiting for somebody's bucket holds up no thread that decodes."""
        found = await asyncio.to_thread(_read_unless_known, address, kind, self._memory)
        if isinstance(found, Media):
            return found
        media = await self._in_pool(_facts, address, kind, found.content)
        await asyncio.to_thread(_remember, media, found.mark, self._memory)
        return media

    async def _examine_web(self, address: str, kind: MediaKind) -> Media:
        if self._memory is None or self._look is None:
            content = await self._bytes(address, kind)
            return await self._in_pool(_facts, address, kind, content)
        known = self._memory.on_the_web(address, kind)
        if known is not None and known.is_current:
            return known.media
        try:
            seen = await self._look(address, None if known is None else known.mark)
        except Refused as error:
            raise Unusable(f"cannot be read: {error}") from error
        if seen.content is None:
            assert known is not None  # noqa: S101 - nothing can be as it was never known
            return known.media
        _check_size(len(seen.content), kind)
        media = await self._in_pool(_facts, address, kind, seen.content)
        if seen.mark is not None:
            self._memory.remember(fingerprint_of(address, kind, seen.mark), media)
        return media

    async def _bytes(self, address: str, kind: MediaKind) -> bytes:
        try:
            if is_near(address):
                return await self._in_pool(_read_file, address, kind)
            if not is_web(address):
                return await asyncio.to_thread(_read_file, address, kind)
            content = await self._read(address)
            _check_size(len(content), kind)
        except Refused as error:
            raise _invalid(kind, address, Unusable(f"cannot be read: {error}")) from error
        except Unusable as error:
            raise _invalid(kind, address, error) from error
        return content

    async def _in_pool(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def upload_of(media: Media, content: bytes, stored_as: str) -> Upload:
    """A medium's bytes, or those of a copy, as others are told of them."""
    return Upload(
        kind=media.kind,
        name=f"{media.sha256[:32]}.{suffix_of(stored_as)}",
        media_type=MEDIA_TYPES.get(stored_as, "application/octet-stream"),
        content=content,
    )


def suffix_of(stored_as: str) -> str:
    """How names of files in this format end."""
    return SUFFIXES.get(stored_as, stored_as)


def fingerprint_of(address: str, kind: MediaKind, mark: str) -> Fingerprint:
    """One file may be looked at as an image and as a mask."""
    return Fingerprint(address=address, mark=f"{kind} {mark}")


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A file that nothing was known of, as it was when it was read."""

    content: bytes
    mark: str | None


def _examine_file(address: str, kind: MediaKind, memory: MediaMemory | None) -> Media:
    found = _read_unless_known(address, kind, memory)
    if isinstance(found, Media):
        return found
    media = _facts(address, kind, found.content)
    _remember(media, found.mark, memory)
    return media


def _read_unless_known(address: str, kind: MediaKind, memory: MediaMemory | None) -> Media | _Read:
    place = find(address)
    if memory is not None and place.mark is not None:
        known = memory.recall(fingerprint_of(address, kind, place.mark))
        if known is not None:
            return known
    return _Read(content=_content(place, kind), mark=place.mark)


def _remember(media: Media, mark: str | None, memory: MediaMemory | None) -> None:
    """Unless it was changed while it was read."""
    if memory is not None and mark is not None and find(media.uri).mark == mark:
        memory.remember(fingerprint_of(media.uri, media.kind, mark), media)


def _read_file(address: str, kind: MediaKind) -> bytes:
    return _content(find(address), kind)


def _content(place: Place, kind: MediaKind) -> bytes:
    _check_size(place.size, kind)
    return place.read()


def _check_size(size: int, kind: MediaKind) -> None:
    if size == 0:
        raise Unusable("is empty; put the whole file there")
    if size > LARGEST[kind]:
        raise Unusable(
            f"has {size:,} bytes, and at most {LARGEST[kind]:,} are read; make it smaller"
        )


def _facts(address: str, kind: MediaKind, content: bytes) -> Media:
    known = partial(Media, kind=kind, uri=address, sha256=_digest(content), size=len(content))
    try:
        if kind is MediaKind.AUDIO:
            sound = listen(content)
            return known(format=sound.format, seconds=sound.seconds)
        seen = look(content)
        return known(format=seen.format, width=seen.width, height=seen.height)
    except ValueError as error:
        raise Unusable(f"cannot be used: {error}. {REMEDIES[kind]}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _invalid(kind: MediaKind, address: str, error: Unusable) -> InvalidRow:
    column = COLUMNS[kind]
    where = f"`{column}` {shown(address)}" if address else f"`{column}`"
    return InvalidRow(f"{where} {error}.", column)
