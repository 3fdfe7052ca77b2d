"""Facts of media, as the ledger remembers them: found out once for each state of a file."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import cast

import pyarrow.compute as pc

from omnihuman_blocks.domain.addresses import is_web
from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import Fingerprint, fingerprint_of
from omnihuman_blocks.edges.places import Unusable, find, locate
from omnihuman_blocks.edges.tables import Tables
from omnihuman_blocks.errors import Transient

KEPT_BACK = 2_000
STAT_THREADS = 16
COLUMNS = {
    "audio_uri": MediaKind.AUDIO,
    "image_uri": MediaKind.IMAGE,
    "mask_uri": MediaKind.MASK,
}


class LedgerMemory:
    """Remembers through a ledger. Writes are gathered; `flush` writes the rest."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._fresh: dict[tuple[str, str], Media] = {}
        self._unwritten: dict[tuple[str, str], Media] = {}

    def recall(self, fingerprint: Fingerprint) -> Media | None:
        """What is known of a file in the state in which it is."""
        known = self._fresh.get((fingerprint.address, fingerprint.mark))
        if known is not None:
            return known
        facts = self._ledger.recall(_address(fingerprint), fingerprint.mark)
        return None if facts is None else _media(facts)

    def remember(self, fingerprint: Fingerprint, media: Media) -> None:
        """From any thread."""
        with self._lock:
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
            self._fresh[fingerprint.address, fingerprint.mark] = _media(facts)

    def digest(self, fingerprint: Fingerprint) -> str | None:
        """The digest of a file that was preloaded or examined."""
        known = self._fresh.get((fingerprint.address, fingerprint.mark))
        return None if known is None else known.sha256


def digests_by_address(tables: Tables, memory: LedgerMemory) -> dict[str, str]:
    """The digest of every medium that the tables name and that is known in its present state.

    Only a look at each file's size and time, and one question to the ledger for all of them.
    """
    wanted: list[tuple[str, MediaKind]] = []
    for sheet in (tables.scripts, tables.avatars):
        for column, kind in COLUMNS.items():
            if sheet.has(column):
                addresses = pc.unique(sheet.ours[column]).drop_null().to_pylist()
                wanted += [(address, kind) for address in addresses if not is_web(address)]
    with ThreadPoolExecutor(STAT_THREADS, thread_name_prefix="look") as pool:
        looked = zip(wanted, pool.map(_look, wanted, chunksize=64), strict=True)
        marks = {address: mark for (address, _), mark in looked if mark is not None}
    memory.preload(marks.values())
    digests = ((address, memory.digest(mark)) for address, mark in marks.items())
    return {address: digest for address, digest in digests if digest is not None}


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
    """One file may be looked at as an image and as a mask."""
    return f"{fingerprint.mark.partition(' ')[0]} {fingerprint.address}"


def _facts(media: Media) -> Record:
    return {
        "kind": media.kind.value,
        "uri": media.uri,
        "sha256": media.sha256,
        "size": media.size,
        "format": media.format,
        "seconds": None if media.seconds is None else str(media.seconds),
        "width": media.width,
        "height": media.height,
    }


def _media(facts: Record) -> Media:
    seconds = facts["seconds"]
    return Media(
        kind=MediaKind(str(facts["kind"])),
        uri=str(facts["uri"]),
        sha256=str(facts["sha256"]),
        size=cast("int", facts["size"]),
        format=str(facts["format"]),
        seconds=None if seconds is None else Decimal(str(seconds)),
        width=cast("int | None", facts["width"]),
        height=cast("int | None", facts["height"]),
    )
