"""Facts of media, as the ledger remembers them: found out once for each state of a file."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias, cast

import pyarrow.compute as pc

from omnihuman_blocks.domain.addresses import is_web, without_credentials
from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import Fingerprint, OnTheWeb, Seen, fingerprint_of
from omnihuman_blocks.edges.places import Unusable, find, locate
from omnihuman_blocks.edges.tables import Tables
from omnihuman_blocks.errors import InvalidRow, Refused, Transient

KEPT_BACK = 2_000
STAT_THREADS = 16
WEB_AT_ONCE = 32
COLUMNS = {
    "audio_uri": MediaKind.AUDIO,
    "image_uri": MediaKind.IMAGE,
    "mask_uri": MediaKind.MASK,
}

WebMedium: TypeAlias = tuple[str, MediaKind]
"""An address, and what it is looked at as."""


class LedgerMemory:
    """Remembers through a ledger. Writes are gathered; `flush` writes the rest."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._fresh: dict[tuple[str, str], Media] = {}
        self._unwritten: dict[tuple[str, str], Media] = {}
        self._web: dict[tuple[str, MediaKind], OnTheWeb] = {}

    def recall(self, fingerprint: Fingerprint) -> Media | None:
        """What is known of a file in the state in which it is."""
        known = self._fresh.get((fingerprint.address, fingerprint.mark))
        if known is not None:
            return known
        facts = self._ledger.recall(_address(fingerprint), fingerprint.mark)
        return None if facts is None else _media(facts, fingerprint.address)

    def on_the_web(self, address: str, kind: MediaKind) -> OnTheWeb | None:
        """What is known of an http(s) address that was preloaded or examined."""
        return self._web.get((address, kind))

    def remember(self, fingerprint: Fingerprint, media: Media) -> None:
        """From any thread."""
        with self._lock:
            if is_web(fingerprint.address):
                mark = fingerprint.mark.partition(" ")[2]
                known = OnTheWeb(mark=mark, media=media, is_current=True)
                self._web[fingerprint.address, media.kind] = known
            self._fresh[fingerprint.address, fingerprint.mark] = media
            self._unwritten[_address(fingerprint), fingerprint.mark] = media
            full = len(self._unwritten) >= KEPT_BACK
        if full:
            self.flush()

    def flush(self) -> None:
        """Writes what was gathered."""
        with self._lock:
            unwritten, self._unwritten = self._unwritten, {}
        self._ledger.remember_many(
            (address, mark, _facts(media)) for (address, mark), media in unwritten.items()
        )

    def preload(self, wanted: Iterable[Fingerprint]) -> None:
        """Recalls many files with few questions."""
        marks = {
            _address(fingerprint): fingerprint
            for fingerprint in wanted
            if (fingerprint.address, fingerprint.mark) not in self._fresh
        }
        asked = {address: fingerprint.mark for address, fingerprint in marks.items()}
        for address, facts in self._ledger.recall_many(asked).items():
            fingerprint = marks[address]
            self._fresh[fingerprint.address, fingerprint.mark] = _media(facts, fingerprint.address)

    def preload_web(self, wanted: Iterable[WebMedium]) -> list[WebMedium]:
        """Recalls what was last known of http(s) addresses; returns those of which anything is."""
        names = {_name(address, kind): (address, kind) for address, kind in wanted}
        found = self._ledger.recall_latest(names)
        for name, (fingerprint, facts) in found.items():
            address, kind = names[name]
            mark = fingerprint.partition(" ")[2]
            known = OnTheWeb(mark=mark, media=_media(facts, address))
            self._web.setdefault((address, kind), known)
        return [names[name] for name in found]

    def confirm(self, medium: WebMedium) -> None:
        """It was looked at in this invocation, and is still the same."""
        self._web[medium] = replace(self._web[medium], is_current=True)

    def digests_on_the_web(self) -> dict[str, str]:
        """By address, of all that are known to be so now."""
        return {
            address: known.media.sha256
            for (address, _), known in self._web.items()
            if known.is_current
        }

    def digest(self, fingerprint: Fingerprint) -> str | None:
        """The digest of a file that was preloaded or examined."""
        known = self._fresh.get((fingerprint.address, fingerprint.mark))
        return None if known is None else known.sha256


def digests_by_address(tables: Tables, memory: LedgerMemory) -> dict[str, str]:
    """The digest of every medium that the tables name and that is known in its present state.

    Only a look at each file's size and time, and one question to the ledger for all of them. Media
    on the web are known here once `look_at_web` or an examination has asked their servers.
    """
    wanted = [medium for medium in _named(tables) if not is_web(medium[0])]
    with ThreadPoolExecutor(STAT_THREADS, thread_name_prefix="look") as pool:
        looked = zip(wanted, pool.map(_look, wanted, chunksize=64), strict=True)
        marks = {address: mark for (address, _), mark in looked if mark is not None}
    memory.preload(marks.values())
    digests = ((address, memory.digest(mark)) for address, mark in marks.items())
    known = {address: digest for address, digest in digests if digest is not None}
    return known | memory.digests_on_the_web()


def media_on_the_web(tables: Tables) -> list[WebMedium]:
    """Every http(s) address among the media of the tables."""
    return [medium for medium in _named(tables) if is_web(medium[0])]


async def look_at_web(
    wanted: Iterable[WebMedium], memory: LedgerMemory, look: Callable[[str, str], Awaitable[Seen]]
) -> None:
    """Asks the servers of media that are remembered whether they are still the same.

    One small question for each, a bounded number at a time. A server that cannot be reached now is
    no reason to call a finished row unfinished: what was known stays so. One that says no is.
    """
    waiting = iter(memory.preload_web(wanted))

    async def ask() -> None:
        for medium in waiting:
            known = memory.on_the_web(*medium)
            if known is None:
                continue
            with suppress(Refused, InvalidRow):
                try:
                    seen = await look(medium[0], known.mark)
                except Transient:
                    memory.confirm(medium)
                else:
                    if seen.mark == known.mark:
                        memory.confirm(medium)

    await asyncio.gather(*(ask() for _ in range(WEB_AT_ONCE)))


def _named(tables: Tables) -> Iterator[WebMedium]:
    """Every medium that the tables name, once for each column."""
    for sheet in (tables.scripts, tables.avatars):
        for column, kind in COLUMNS.items():
            if sheet.has(column):
                for address in pc.unique(sheet.ours[column]).drop_null().to_pylist():
                    yield address, kind


def _look(wanted: tuple[str, MediaKind]) -> Fingerprint | None:
    address, kind = wanted
    try:
        place = find(locate(address, ""))
    except (Unusable, Transient):
        return None
    if place.mark is None:
        return None
    return fingerprint_of(place.address, kind, place.mark)


def _address(fingerprint: Fingerprint) -> str:
    return _name(fingerprint.address, fingerprint.mark.partition(" ")[0])


def _name(address: str, kind: str) -> str:
    """One file may be looked at as an image and as a mask. What opens doors is not written down."""
    if is_web(address):
        bare = _bare(address)
        if bare != address:
            digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
            address = f"{bare}#{digest[:32]}"
    return f"{kind} {address}"


def _bare(address: str) -> str:
    return without_credentials(address).partition("?")[0] if is_web(address) else address


def _facts(media: Media) -> Record:
    return {
        "kind": media.kind.value,
        "uri": _bare(media.uri),
        "sha256": media.sha256,
        "size": media.size,
        "format": media.format,
        "seconds": None if media.seconds is None else str(media.seconds),
        "width": media.width,
        "height": media.height,
    }


def _media(facts: Record, address: str) -> Media:
    seconds = facts["seconds"]
    return Media(
        kind=MediaKind(str(facts["kind"])),
        uri=address,
        sha256=str(facts["sha256"]),
        size=cast("int", facts["size"]),
        format=str(facts["format"]),
        seconds=None if seconds is None else Decimal(str(seconds)),
        width=cast("int | None", facts["width"]),
        height=cast("int | None", facts["height"]),
    )
